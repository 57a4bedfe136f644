"""Coordinate descent on the energy of stacked layers, compiled."""

import numba
import numpy as np

from sparsecode._native.copy_row import copy_row

_SHARE = 0.5  # of the worst unrest: codes that are nearer to rest wait for a later round
_WITHIN = 0.3  # share of that at which a code that was chosen is left as it is
_SWEEPS = 5  # over the chosen codes before all are looked at again
# Columns of the table of levels.
ROWS, COLUMNS, ATOMS, FIRST, KINDS, KINDS_ACROSS, PRODUCTS, DOWN, ACROSS, FIRST_LINK, LAST_LINK, ABOVE = range(12)
# Columns of the table of links, each from a level to one whose codes it reconstructs.
CHILD, PARENT, TALL, WIDE, STRIDE, TOP, LEFT, ATOM_TAPS, TAP_ATOMS = range(9)
# Columns of the levels' real numbers.
LAMBDA, BOUND, RATE, PULL, LOWEST = range(5)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def descend(levels, links, kinds, tables, reals, bends, given, tolerance, max_rounds, codes, done, first, last):
    """Bring the codes of the signals first..last to rest.

    E is least in one code alone where that is the threshold of what drives it. The drive of all codes is kept: a code
    that moves changes the drive of those of its own level that overlap it, of the codes below that it reconstructs
    and of the codes above that reconstruct it, by rows of tables. In each round the codes that are furthest from rest
    move, then those and all others that are not 0 some times over, one after the other.

    The drive is computed afresh from the codes before they count as at rest, so that rounding does not add up.

    Args:
        levels: (L, 12) int64, see the columns' names above; what `Overlaps` builds.
        links: (links, 9) int64.
        kinds: int64, of every level the kinds of its rows and of its columns: those of a kind are cropped alike.
        tables: all rows, flat.
        reals: (L, 5).
        bends: (K,), the second derivative of E by each code over its level's weight.
        given: (N, K), the drive of codes that are all 0.
        tolerance: of rest.
        max_rounds: most rounds.
        codes: (N, K) to start from, of each level (rows, columns, atoms); overwritten.
        done: (N,) False; filled with which rest.
        first: of the signals.
        last: of the signals, excluded.
    """
    real = codes.dtype.type
    drive = np.empty(codes.shape[1], codes.dtype)
    chosen = np.empty(codes.shape[1], np.int64)
    for n in range(first, last):
        code = codes[n]
        _drive(levels, links, kinds, tables, reals, given[n], code, drive)
        fresh = True
        for step in range(max_rounds + 1):
            worst = _unrest(levels, reals, code, drive)
            if worst <= tolerance and not fresh:
                _drive(levels, links, kinds, tables, reals, given[n], code, drive)
                fresh = True
                worst = _unrest(levels, reals, code, drive)
            if worst <= tolerance:
                done[n] = True
                break
            if step == max_rounds:
                break
            fresh = False
            bar = max(real(_SHARE) * worst, real(0.5) * tolerance)
            within = real(_WITHIN) * bar
            ends = _choose(levels, links, kinds, tables, reals, bends, bar, code, drive, chosen)
            for _ in range(_SWEEPS):
                if not _sweep(levels, links, kinds, tables, reals, bends, within, code, drive, chosen, ends):
                    break


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _drive(levels, links, kinds, tables, reals, given, code, drive):
    """What drives each code, from all of them."""
    copy_row(given, drive)
    for number in range(len(levels)):
        level = levels[number]
        for j in range(level[ROWS] * level[COLUMNS] * level[ATOMS]):
            if code[level[FIRST] + j] != 0:
                _spread(levels, links, kinds, tables, reals, number, j, code[level[FIRST] + j], drive)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _unrest(levels, reals, code, drive):
    """How far the code that is furthest from rest is from it, in thresholds."""
    worst = code.dtype.type(0)
    for number in range(len(levels)):
        level = levels[number]
        size = level[ROWS] * level[COLUMNS] * level[ATOMS]
        of_level, up = code[level[FIRST] : level[FIRST] + size], drive[level[FIRST] : level[FIRST] + size]
        lmbda, rate = reals[number, LAMBDA], reals[number, RATE]
        low = reals[number, LOWEST] * lmbda
        furthest = code.dtype.type(0)
        for j in range(size):
            free = of_level[j] + rate * up[j]
            furthest = max(furthest, abs(free - min(max(free, low), lmbda) - of_level[j]))
        worst = max(worst, furthest / lmbda)
    return worst


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _choose(levels, links, kinds, tables, reals, bends, bar, code, drive, chosen):
    """Move what would move further than the bar, and choose this and all that is not 0.

    Returns:
        How many are chosen up to the end of each level.
    """
    ends = np.empty(len(levels), np.int64)
    count = np.int64(0)
    for number in range(len(levels)):
        level = levels[number]
        size = level[ROWS] * level[COLUMNS] * level[ATOMS]
        bound, least = reals[number, BOUND], bar * reals[number, LAMBDA]
        low = reals[number, LOWEST] * bound
        for j in range(size):
            at = level[FIRST] + j
            old = code[at]
            free = bends[at] * old + drive[at]
            new = (free - min(max(free, low), bound)) / bends[at]
            if abs(new - old) > least:
                code[at] = new
                _spread(levels, links, kinds, tables, reals, number, j, new - old, drive)
            if new != 0 or old != 0:
                chosen[count] = j
                count += 1
        ends[number] = count
    return ends


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _sweep(levels, links, kinds, tables, reals, bends, bar, code, drive, chosen, ends):
    """Move the chosen codes that would move further than the bar, and whether there were any."""
    moved, count = False, 0
    for number in range(len(levels)):
        start = levels[number, FIRST]
        bound, least = reals[number, BOUND], bar * reals[number, LAMBDA]
        low = reals[number, LOWEST] * bound
        for at in range(count, ends[number]):
            j = chosen[at]
            old = code[start + j]
            free = bends[start + j] * old + drive[start + j]
            new = (free - min(max(free, low), bound)) / bends[start + j]
            if abs(new - old) > least or (new == 0 and old != 0):  # a leftover near 0 would count as a code
                moved = True
                code[start + j] = new
                _spread(levels, links, kinds, tables, reals, number, j, new - old, drive)
        count = ends[number]
    return moved


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _spread(levels, links, kinds, tables, reals, number, j, by, drive):
    """Change all drives by what a code of a level does to them as it grows by so much."""
    level = levels[number]
    atoms, columns = level[ATOMS], level[COLUMNS]
    k, x, y = j % atoms, j // atoms % columns, j // (atoms * columns)
    tall, wide = 2 * level[DOWN] + 1, 2 * level[ACROSS] + 1
    kind = kinds[level[KINDS] + y] * level[KINDS_ACROSS] + kinds[level[KINDS] + level[ROWS] + x]
    row = level[PRODUCTS] + (kind * atoms + k) * tall * wide * atoms
    left, right = max(x - level[ACROSS], 0), min(x + level[ACROSS] + 1, columns)
    for yy in range(max(y - level[DOWN], 0), min(y + level[DOWN] + 1, level[ROWS])):
        start = row + ((yy - y + level[DOWN]) * wide + left - x + level[ACROSS]) * atoms
        _add(drive, level[FIRST] + (yy * columns + left) * atoms, tables, start, (right - left) * atoms, -by)
    drive[level[FIRST] + j] -= by * reals[number, PULL]
    for at in range(level[FIRST_LINK], level[LAST_LINK]):
        link = links[at]
        child, pulled = levels[link[CHILD]], by * reals[link[CHILD], PULL]
        top, left = y * link[STRIDE] - link[TOP], x * link[STRIDE] - link[LEFT]
        begin, end = max(0, -left), min(link[WIDE], child[COLUMNS] - left)
        for i in range(max(0, -top), min(link[TALL], child[ROWS] - top)):
            start = link[ATOM_TAPS] + ((k * link[TALL] + i) * link[WIDE] + begin) * child[ATOMS]
            place = child[FIRST] + ((top + i) * child[COLUMNS] + left + begin) * child[ATOMS]
            _add(drive, place, tables, start, (end - begin) * child[ATOMS], pulled)
    if level[ABOVE] >= 0:
        link = links[level[ABOVE]]
        parent, stride = levels[link[PARENT]], link[STRIDE]
        for yy in range(max(0, (y + link[TOP] - link[TALL]) // stride + 1), parent[ROWS]):
            i = y + link[TOP] - yy * stride
            if i < 0:
                break
            for xx in range(max(0, (x + link[LEFT] - link[WIDE]) // stride + 1), parent[COLUMNS]):
                tap = x + link[LEFT] - xx * stride
                if tap < 0:
                    break
                start = link[TAP_ATOMS] + ((i * link[WIDE] + tap) * atoms + k) * parent[ATOMS]
                place = parent[FIRST] + (yy * parent[COLUMNS] + xx) * parent[ATOMS]
                _add(drive, place, tables, start, parent[ATOMS], by)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(to, place, table, start, number, times):
    """Add a multiple of a stretch of the table."""
    there, row = to[place : place + number], table[start : start + number]
    for t in range(number):
        there[t] += times * row[t]
