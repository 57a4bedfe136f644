"""Orthogonal and order-recursive matching pursuit, compiled."""

import math

import numba
import numpy as np

from sparsecode._native.gram_schmidt import orthogonalise
from sparsecode._native.largest_magnitude import LANES, largest_magnitude

_OUT = 1e30  # in the place of the squared norm of a part that is never chosen; infinity is not for fast mathematics


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def pursue(gram, correlations, energies, atoms, tolerance, order_recursive, least, codes, first, last):
    """Code the signals first..last by Gram-Schmidt in the domain of correlations.

    For the orthonormal q_t of the atoms chosen so far, only r_t = D^T q_t is kept: <q_t, d_j> is r_t[j], so neither
    signals nor triangular solves are needed, and all of it stays in the first cache.

    Args:
        gram: (K, K), D^T D.
        correlations: (N, K), D^T y; overwritten by those of the residuals.
        energies: (N,), ||y||^2; overwritten by ||y - D s||^2.
        atoms: most atoms chosen for a signal.
        tolerance: ||y - D s||^2 at which a signal is done; negative: none.
        order_recursive: whether the atom that lowers the residual most is chosen rather than the most correlated one.
        least: squared norm up to which the part of an atom outside the span of those chosen is rounding.
        codes: (N, K) zeros; filled.
        first: of the signals.
        last: of the signals, excluded.
    """
    n_atoms = gram.shape[0]
    rows = np.empty((atoms, n_atoms), gram.dtype)
    left = np.empty(n_atoms, gram.dtype)  # squared norm of each atom's part outside the chosen ones' span
    scores, lanes = np.empty(n_atoms, gram.dtype), np.empty(LANES, gram.dtype)
    support = np.empty(atoms, np.int64)
    norms = np.empty(atoms, gram.dtype)
    steps = np.empty(atoms, gram.dtype)
    epsilon = np.finfo(gram.dtype).eps
    one = gram.dtype.type(1)
    for n in range(first, last):
        corr = correlations[n]
        if order_recursive:
            for j in range(n_atoms):
                left[j] = gram[j, j]
        floor = epsilon * epsilon * energies[n]
        energy = energies[n]
        chosen = 0
        while chosen < atoms and energy > tolerance and energy > floor:
            if chosen:
                row = rows[chosen - 1]
                orthogonalise(gram[support[chosen - 1]], rows, chosen - 1, support[chosen - 1], row)
                _take_out(corr, left, row, one / norms[chosen - 1], steps[chosen - 1], order_recursive, least)
                left[support[chosen - 1]] = _OUT  # never chosen twice
            pick = _pick(corr, left, order_recursive, scores, lanes)
            if order_recursive:
                rest = left[pick]
                noise = epsilon * energies[n] * rest
            else:
                rest, noise = gram[pick, pick], floor
                for s in range(chosen):
                    rest -= rows[s, pick] * rows[s, pick]
            if rest <= least or rest >= _OUT or corr[pick] * corr[pick] <= noise:
                break  # everything left lies in the span of the chosen atoms
            norms[chosen] = math.sqrt(rest)
            steps[chosen] = corr[pick] / norms[chosen]
            support[chosen] = pick
            energy -= steps[chosen] * steps[chosen]
            chosen += 1
        energies[n] = max(energy, 0)
        for t in range(chosen - 1, -1, -1):  # back substitution: R s = steps with R[t, u] = <q_t, d_u>
            value = steps[t]
            for u in range(t + 1, chosen):
                value -= rows[t, support[u]] * steps[u]
            steps[t] = value / norms[t]
            codes[n, support[t]] = steps[t]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _take_out(corr, left, row, scale, step, order_recursive, least):
    """Norm the row and take its direction out of correlations and, if the rule needs them, atoms."""
    if order_recursive:
        for j in range(len(corr)):
            value = row[j] * scale
            row[j] = value
            corr[j] -= step * value
            rest = left[j] - value * value
            left[j] = rest if rest > least else _OUT
    else:
        for j in range(len(corr)):
            value = row[j] * scale
            row[j] = value
            corr[j] -= step * value


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _pick(corr, left, order_recursive, scores, lanes):
    """The most correlated atom, or the one that lowers the residual most: squared correlation over new squared norm."""
    if not order_recursive:
        return largest_magnitude(corr, lanes)
    for j in range(len(corr)):
        scores[j] = corr[j] * corr[j] / left[j]
    return largest_magnitude(scores, lanes)
