"""Copying a row in compiled code."""

import numba


@numba.njit(cache=True, nogil=True)
def copy_row(source, to):
    """Fill the beginning of one row with another.

    An assignment to a slice would do, but Numba compiles a message about shapes with each, for seconds.
    """
    for j in range(len(source)):
        to[j] = source[j]
