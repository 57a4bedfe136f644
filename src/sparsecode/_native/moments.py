"""Sums of products of sparse codes, compiled."""

import numba
import numpy as np

from sparsecode._native.copy_row import copy_row


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def count_nonzeros(codes):
    """Number of nonzeros of a contiguous array."""
    flat, number = codes.reshape(-1), 0
    for i in range(len(flat)):
        number += flat[i] != 0
    return number


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def add_products(signals, atoms, codes, a, b, counts, errors):
    """Add the sums over signals, from the nonzeros of their codes alone.

    Args:
        signals: (N, m).
        atoms: (K, m).
        codes: (N, K).
        a: (K, K), to which s s^T is added.
        b: (K, m), to which s y^T is added.
        counts: (4,), to which are added 1/2 ||y - D s||^2, ||s||_1, the number of nonzeros and that of negatives.
        errors: (N,), filled with ||y - D s||^2.
    """
    n_atoms, m = atoms.shape
    support = np.empty(n_atoms + 1, np.int64)  # one more: every index is written, and kept if its coefficient counts
    residual = np.empty(m, signals.dtype)
    half_residuals, l1, nonzeros, negatives = 0.0, 0.0, 0, 0  # in double: a million single-precision sums drift
    for n in range(len(codes)):
        code, signal = codes[n], signals[n]
        size = 0
        for j in range(n_atoms):
            support[size] = j
            size += code[j] != 0
        copy_row(signal, residual)
        for s in range(size):
            value, atom, into, row = code[support[s]], atoms[support[s]], b[support[s]], a[support[s]]
            for t in range(m):
                into[t] += value * signal[t]
                residual[t] -= value * atom[t]
            for u in range(size):
                row[support[u]] += value * code[support[u]]
            l1 += abs(value)
            negatives += value < 0
        error = code[0] - code[0]
        for t in range(m):
            error += residual[t] * residual[t]
        errors[n] = error
        half_residuals += error / 2
        nonzeros += size
    counts[0] += half_residuals
    counts[1] += l1
    counts[2] += nonzeros
    counts[3] += negatives
