"""Gram-Schmidt in the domain of correlations, which all pursuits over a Gram matrix share."""

import numba


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def orthogonalise(source, rows, chosen, pick, row):
    """Write row = source - sum over s < chosen of rows[s][pick] rows[s], four rows a sweep.

    With rows[s] = D^T q_s for orthonormal q_s and source = D^T d_pick, row is D^T of the part of d_pick outside the
    span of the q_s.
    """
    n_atoms = len(row)
    s = chosen % 4
    if s == 0:
        for j in range(n_atoms):
            row[j] = source[j]
    elif s == 1:
        a = rows[0, pick]
        x = rows[0]
        for j in range(n_atoms):
            row[j] = source[j] - a * x[j]
    elif s == 2:
        a, b = rows[0, pick], rows[1, pick]
        x, y = rows[0], rows[1]
        for j in range(n_atoms):
            row[j] = source[j] - a * x[j] - b * y[j]
    else:
        a, b, c = rows[0, pick], rows[1, pick], rows[2, pick]
        x, y, z = rows[0], rows[1], rows[2]
        for j in range(n_atoms):
            row[j] = source[j] - a * x[j] - b * y[j] - c * z[j]
    while s < chosen:
        a, b, c, d = rows[s, pick], rows[s + 1, pick], rows[s + 2, pick], rows[s + 3, pick]
        x, y, z, w = rows[s], rows[s + 1], rows[s + 2], rows[s + 3]
        for j in range(n_atoms):
            row[j] -= a * x[j] + b * y[j] + c * z[j] + d * w[j]
        s += 4
