"""Products of sparse codes with shifted codes, compiled."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, error_model="numpy")
def add_shifted_products(codes, products):
    """Add sum_n sum_p z_k[p] z_l[p + d], circular at the borders, from the nonzeros alone.

    Args:
        codes: (N, K, H, W).
        products: (K, K, 2h-1, 2w-1); [k, l, d] with d modulo 2h-1 and 2w-1 is added to.
    """
    number, n_filters, height, width = codes.shape
    tall, wide = products.shape[2] // 2, products.shape[3] // 2
    for n in range(number):
        used = np.zeros((height, width, n_filters), np.int64)  # the filters of each pixel's nonzeros
        counts = np.zeros((height, width), np.int64)
        for k in range(n_filters):
            for y in range(height):
                for x in range(width):
                    if codes[n, k, y, x] != 0:
                        used[y, x, counts[y, x]] = k
                        counts[y, x] += 1
        for y in range(height):
            for x in range(width):
                for at in range(counts[y, x]):
                    k = used[y, x, at]
                    value = codes[n, k, y, x]
                    for dy in range(-tall, tall + 1):
                        yy = (y + dy + height) % height
                        for dx in range(-wide, wide + 1):
                            xx = (x + dx + width) % width
                            for other in range(counts[yy, xx]):
                                o = used[yy, xx, other]
                                products[k, o, dy, dx] += value * codes[n, o, yy, xx]
