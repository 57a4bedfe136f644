"""Conjugate gradients on a sparse matrix, compiled."""

import numba
import numpy as np


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
    solution, image, direction = np.zeros(number), np.empty(number), right.copy()
    energy = np.sum(right * right)
    goal = energy * precision * precision
    for _ in range(max_steps):
        if energy <= goal:
            break
        for e in range(number):
            total = ridge * direction[e]
            for at in range(starts[e], ends[e]):
                total += weights[at] * direction[others[at]]
            image[e] = total
        along = energy / np.sum(direction * image)
        solution += along * direction
        right -= along * image
        before = energy
        energy = np.sum(right * right)
        direction = right + energy / before * direction
    return solution, energy <= goal
