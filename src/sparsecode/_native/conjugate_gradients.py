"""Conjugate gradients on a sparse matrix, compiled."""

import numba
import numpy as np

from sparsecode._native.copy_row import copy_row


@numba.njit(cache=True, nogil=True, error_model="numpy")
def conjugate_gradients(starts, ends, others, weights, ridge, right, precision, max_steps):
    """Solve (A + ridge) v = right for a symmetric A without negative eigenvalues.

    Args:
        starts: (n,), where each row of A begins in `others` and `weights`.
        ends: (n,), where it ends.
        others: columns.
        weights: entries.
        ridge: added to the diagonal.
        right: (n,) float64: what is solved for needs little memory in double precision; overwritten.
        precision: norm of the residual, relative to that of right, at which it is done.
        max_steps: most steps.

    Returns:
        v (n,) float64, and whether it is done.
    """
    number = len(right)
    solution, image, direction = np.zeros(number), np.empty(number), np.empty(number)
    copy_row(right, direction)
    energy = _product(right, right)
    goal = energy * precision * precision
    for _ in range(max_steps):
        if energy <= goal:
            break
        for e in range(number):
            total = ridge * direction[e]
            for at in range(starts[e], ends[e]):
                total += weights[at] * direction[others[at]]
            image[e] = total
        along = energy / _product(direction, image)
        for e in range(number):
            solution[e] += along * direction[e]
            right[e] -= along * image[e]
        before = energy
        energy = _product(right, right)
        for e in range(number):
            direction[e] = right[e] + energy / before * direction[e]
    return solution, energy <= goal


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _product(these, those):
    total = 0.0
    for e in range(len(these)):
        total += these[e] * those[e]
    return total
