"""The largest of many scores, and where it is, in vector instructions."""

import numba

_LAST_ROUND = 16


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def winner(tree, n):
    """Index of the largest of the scores `tree[:n]`; `tree` has room for 2 n + 64.

    A running maximum is not vectorised; the maxima of two halves, element by element, are. The rounds are kept one
    after the other in `tree`, and the winner is followed back through them.
    """
    start, size = 0, n
    while size > _LAST_ROUND:
        half = (size + 1) // 2
        upper, lower, won = tree[start : start + half], tree[start + half : start + size], tree[start + size :]
        for j in range(len(lower)):
            won[j] = max(upper[j], lower[j])
        if len(lower) < half:
            won[half - 1] = upper[half - 1]
        start, size = start + size, half
    best = 0
    for j in range(1, size):
        if tree[start + j] > tree[start + best]:
            best = j
    return _follow_back(tree, n, start, best)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _follow_back(tree, n, end, place):
    """Where among the first n the winner at `place` of the round that begins at `end` stood."""
    score = tree[end + place]
    while end > 0:
        start, size = 0, n
        while start + size < end:  # the round before the one that begins at `end`
            start, size = start + size, (size + 1) // 2
        if tree[start + place] != score:
            place += (size + 1) // 2
        end = start
    return place
