"""The linear system of convolutional codes on their support, compiled."""

import numba
import numpy as np

from sparsecode._native.conjugate_gradients import conjugate_gradients
from sparsecode._native.lgcd import _COLUMN, _FILTER, _ROW, _SIZE, _START, _link, _longer


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve_on_support(codes, gram, right, ridge, precision, max_steps, solved, done, first, last):
    """Solve (D_S^T D_S + ridge) v_S = right_S for the supports S of images first..last, by conjugate gradients.

    Only the inner products of nonzeros in reach of each other are ever touched.

    Args:
        codes: (N, K, H, W), whose nonzeros are the supports.
        gram: (K, 2h-1, 2w-1, K), as for `descend`.
        right: (N, K, H, W).
        ridge: added to the diagonal.
        precision: norm of the residual, relative to that of right_S, at which an image is done.
        max_steps: of conjugate gradients.
        solved: (N, K, H, W) zeros; filled on the supports.
        done: (N,) False; filled with which images are done.
        first: of the images.
        last: of the images, excluded.
    """
    _, n_filters, height, width = codes.shape
    heads = np.empty((height, width), np.int64)
    for n in range(first, last):
        table = np.empty((256, 7), np.int64)
        number = np.int64(0)
        for k in range(n_filters):
            for y in range(height):
                for x in range(width):
                    if codes[n, k, y, x] != 0:
                        if number == len(table):
                            table = _longer(table)
                        table[number, _ROW], table[number, _COLUMN], table[number, _FILTER] = y, x, k
                        number += 1
        heads[:] = -1
        others, weights = np.empty(1024, np.int32), np.empty(1024, gram.dtype)
        others, weights, _ = _link(np.int64(0), number, table, others, weights, np.int64(0), heads, gram)
        target = np.empty(number)
        for e in range(number):
            target[e] = right[n, table[e, _FILTER], table[e, _ROW], table[e, _COLUMN]]
        starts, ends = np.empty(number, np.int64), np.empty(number, np.int64)
        for e in range(number):
            starts[e], ends[e] = table[e, _START], table[e, _START] + table[e, _SIZE]
        solution, done[n] = conjugate_gradients(starts, ends, others, weights, ridge, target, precision, max_steps)
        for e in range(number):
            solved[n, table[e, _FILTER], table[e, _ROW], table[e, _COLUMN]] = solution[e]
