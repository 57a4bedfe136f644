"""Where the largest of many magnitudes is, in vector instructions."""

import numba

LANES = 128  # a multiple of _LAST; so many running maxima that none waits for the one before
_LAST = 16


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def largest_magnitude(values, lanes):
    """Index of a largest magnitude among values (K,); `lanes` has `LANES` places to work in.

    A running maximum is not vectorised; one in each of many lanes is. Halves of the lanes then meet, and the winner is
    sought in its lane alone.
    """
    n = len(values)
    whole = n // LANES * LANES
    lanes[:] = 0
    for first in range(0, whole, LANES):
        stretch = values[first : first + LANES]
        for lane in range(LANES):
            lanes[lane] = max(lanes[lane], abs(stretch[lane]))
    for j in range(whole, n):
        lanes[j - whole] = max(lanes[j - whole], abs(values[j]))
    half = LANES // 2
    while half >= _LAST:
        upper, lower = lanes[:half], lanes[half : 2 * half]
        for lane in range(half):
            upper[lane] = max(upper[lane], lower[lane])
        half //= 2
    most = lanes[0]
    for lane in range(1, _LAST):
        most = max(most, lanes[lane])
    winner = 0
    for lane in range(_LAST - 1, -1, -1):
        if lanes[lane] == most:
            winner = lane
    for j in range(winner, n, _LAST):
        if abs(values[j]) == most:
            return j
    return winner
