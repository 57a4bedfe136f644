"""Block-coordinate descent over the atoms of one block, compiled."""

import math

import numba


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def sweep(atoms, rest, a, unused):
    """Minimise over each atom of the block in turn, the others held, and bring it to unit norm.

    d_j <- d_j + r_j / A_jj to unit norm, r_j = b_j - D a_j with the atoms before it already moved.

    Args:
        atoms: (n, m), the block's atoms; overwritten.
        rest: (n, m), b - D A at the block's atoms before any has moved; overwritten.
        a: (n, n), the block's part of A.
        unused: A_jj up to which an atom stays.
    """
    n, m = atoms.shape
    for j in range(n):
        atom, usage = atoms[j], a[j, j]
        row = rest[j]  # its own place becomes how far the atom moves
        k = 0
        while k + 4 <= j:  # four atoms a sweep, so that the row is read and written a quarter as often
            p, q, r, s = a[j, k], a[j, k + 1], a[j, k + 2], a[j, k + 3]
            w, x, y, z = rest[k], rest[k + 1], rest[k + 2], rest[k + 3]
            for t in range(m):
                row[t] -= p * w[t] + q * x[t] + r * y[t] + s * z[t]
            k += 4
        while k < j:
            p, w = a[j, k], rest[k]
            for t in range(m):
                row[t] -= p * w[t]
            k += 1
        square = usage - usage
        if usage > unused:
            scale = 1 / usage
            for t in range(m):
                row[t] = atom[t] + scale * row[t]
                square += row[t] * row[t]
        if square > 0:
            scale = 1 / math.sqrt(square)
            for t in range(m):
                new = row[t] * scale
                row[t] = new - atom[t]
                atom[t] = new
        else:
            for t in range(m):
                row[t] = 0
