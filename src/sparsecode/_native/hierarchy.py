"""Coordinate descent on the energy of stacked layers, and the linear system of their codes on the support, compiled."""

import numba
import numpy as np

from sparsecode._native.conjugate_gradients import conjugate_gradients
from sparsecode._native.copy_row import copy_row

_SHARE = 0.5  # of the worst unrest: codes that are nearer to rest wait for a later round
_WITHIN = 0.3  # share of that at which a code that was chosen is left as it is
_SWEEPS = 5  # over the chosen codes before all are looked at again
# Columns of the table of levels.
ROWS, COLUMNS, ATOMS, FIRST, KINDS, KINDS_ACROSS, PRODUCTS, DOWN, ACROSS, FIRST_LINK, LAST_LINK, ABOVE = range(12)
# Columns of the table of links, each from a level to one whose codes it reconstructs.
CHILD, PARENT, TALL, WIDE, STRIDE, TOP, LEFT, ATOM_TAPS, TAP_ATOMS = range(9)
# Columns of the levels' real numbers.
LAMBDA, BOUND, RATE, PULL, POSITIVE = range(5)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def descend(levels, links, kinds, tables, reals, bends, given, tolerance, max_rounds, codes, done, first, last):
    """Bring the codes of the signals first..last to rest.

    E is least in one code alone where that is the threshold of what drives it. The drive of all codes is kept: a code
    that moves changes the drive of those of its own level that overlap it, of the codes below that it reconstructs
    and of the codes above that reconstruct it, by rows of tables. In each round the codes that are furthest from rest
    move, then those and all others that are not 0 some times over, one after the other.

    The drive is computed afresh from the codes, in double precision, before they count as at rest, so that rounding
    does not add up.

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
    drive, precise = np.empty(codes.shape[1], codes.dtype), np.empty(codes.shape[1])
    chosen = np.empty(codes.shape[1], np.int64)
    for n in range(first, last):
        code = codes[n]
        _drive(levels, links, kinds, tables, reals, given[n], code, precise, drive)
        fresh = True
        for step in range(max_rounds + 1):
            worst = _unrest(levels, reals, code, drive)
            if worst <= tolerance and not fresh:
                _drive(levels, links, kinds, tables, reals, given[n], code, precise, drive)
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
def _drive(levels, links, kinds, tables, reals, given, code, precise, drive):
    """What drives each code, from all of them, added up in double precision."""
    copy_row(given, precise)
    for number in range(len(levels)):
        level = levels[number]
        for j in range(level[ROWS] * level[COLUMNS] * level[ATOMS]):
            if code[level[FIRST] + j] != 0:
                _spread(levels, links, kinds, tables, reals, number, j, code[level[FIRST] + j], precise)
    copy_row(precise, drive)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _unrest(levels, reals, code, drive):
    """How far the code that is furthest from rest is from it, in thresholds."""
    worst = code.dtype.type(0)
    for number in range(len(levels)):
        level = levels[number]
        size = level[ROWS] * level[COLUMNS] * level[ATOMS]
        of_level, up = code[level[FIRST] : level[FIRST] + size], drive[level[FIRST] : level[FIRST] + size]
        lmbda, rate = reals[number, LAMBDA], reals[number, RATE]
        low = _low(lmbda, reals[number, POSITIVE])
        furthest = code.dtype.type(0)
        for j in range(size):
            free = of_level[j] + rate * up[j]
            furthest = max(furthest, abs(free - min(max(free, low), lmbda) - of_level[j]))
        worst = max(worst, furthest / lmbda)
    return worst


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _low(bound, positive):
    """The least that a threshold takes off; fast arithmetic knows no infinity."""
    return -np.finfo(bound).max if positive > 0 else -bound


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
        low = _low(bound, reals[number, POSITIVE])
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
        low = _low(bound, reals[number, POSITIVE])
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
        for yy in _covering(y + link[TOP], link[TALL], stride, parent[ROWS]):
            for xx in _covering(x + link[LEFT], link[WIDE], stride, parent[COLUMNS]):
                tap = (y + link[TOP] - yy * stride) * link[WIDE] + x + link[LEFT] - xx * stride
                start = link[TAP_ATOMS] + (tap * atoms + k) * parent[ATOMS]
                place = parent[FIRST] + (yy * parent[COLUMNS] + xx) * parent[ATOMS]
                _add(drive, place, tables, start, parent[ATOMS], by)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _covering(place, taps, stride, number):
    """The positions along an axis, of so many, whose filters cover a place that is counted from the padding on."""
    return range(max(0, (place - taps) // stride + 1), min(number, place // stride + 1))


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _add(to, place, table, start, number, times):
    """Add a multiple of a stretch of the table."""
    there, row = to[place : place + number], table[start : start + number]
    for t in range(number):
        there[t] += times * row[t]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve_on_support(
    levels, links, kinds, tables, reals, weights, codes, right, precision, max_steps, solved, done, first, last
):
    """Solve H v = right on the supports of signals first..last, by conjugate gradients, H the second derivative of E.

    Only inner products of codes that are not 0 are ever touched.

    Args:
        levels: as for `descend`, like the next four.
        links: likewise.
        kinds: likewise.
        tables: likewise.
        reals: likewise.
        weights: (L, 2), of each level its weight in E, and what its codes are multiplied with in H and v.
        codes: (N, K), whose entries that are not 0 are the supports.
        right: (N, K).
        precision: norm of the residual, relative to that of right on the support, at which a signal is done.
        max_steps: of conjugate gradients.
        solved: (N, K) zeros; filled on the supports.
        done: (N,) False; filled with which signals are done.
        first: of the signals.
        last: of the signals, excluded.
    """
    for n in range(first, last):
        begins, members, owners = _support(levels, codes[n])
        starts, others, entries = _rows(levels, links, kinds, tables, reals, weights, begins, members, owners)
        target = np.empty(len(members))
        for e in range(len(members)):
            target[e] = right[n, members[e]]
        solution, done[n] = conjugate_gradients(
            starts[:-1], starts[1:], others, entries, 0.0, target, precision, max_steps
        )
        for e in range(len(members)):
            solved[n, members[e]] = solution[e]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _support(levels, code):
    """The codes that are not 0, by place.

    Returns:
        Of each position of each level, one after the other, the first of its members, then their number; the members'
        places among all codes; and their levels.
    """
    positions, number_of = 0, 0
    for number in range(len(levels)):
        positions += levels[number, ROWS] * levels[number, COLUMNS]
    for at in range(len(code)):
        number_of += code[at] != 0
    begins = np.empty(positions + 1, np.int64)
    members, owners = np.empty(number_of, np.int64), np.empty(number_of, np.int64)
    count, position = 0, 0
    for number in range(len(levels)):
        level = levels[number]
        for place in range(level[ROWS] * level[COLUMNS]):
            begins[position] = count
            position += 1
            for k in range(level[ATOMS]):
                at = level[FIRST] + place * level[ATOMS] + k
                if code[at] != 0:
                    members[count], owners[count] = at, number
                    count += 1
    begins[position] = count
    return begins, members, owners


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _rows(levels, links, kinds, tables, reals, weights, begins, members, owners):
    """H on the support, row by row: where each begins, its columns and its entries."""
    firsts = np.zeros(len(levels) + 1, np.int64)  # of each level's positions among all
    for number in range(len(levels)):
        firsts[number + 1] = firsts[number] + levels[number, ROWS] * levels[number, COLUMNS]
    starts = np.empty(len(members) + 1, np.int64)
    others, entries = np.empty(1024, np.int32), np.empty(1024, tables.dtype)
    size = itself = np.int64(0)  # not a literal 0, for which Numba would compile `_enter` twice
    for e in range(len(members)):
        number = owners[e]
        level, scale = levels[number], weights[number, 1]
        atoms, columns = level[ATOMS], level[COLUMNS]
        j = members[e] - level[FIRST]
        k, x, y = j % atoms, j // atoms % columns, j // (atoms * columns)
        starts[e] = size
        if size + len(members) > len(others):
            others, entries = _longer(others, len(members)), _longer(entries, len(members))
        # Those of its own level that overlap it.
        tall, wide = 2 * level[DOWN] + 1, 2 * level[ACROSS] + 1
        kind = kinds[level[KINDS] + y] * level[KINDS_ACROSS] + kinds[level[KINDS] + level[ROWS] + x]
        row = level[PRODUCTS] + (kind * atoms + k) * tall * wide * atoms
        own = weights[number, 0] * scale * scale
        for yy in range(max(y - level[DOWN], 0), min(y + level[DOWN] + 1, level[ROWS])):
            for xx in range(max(x - level[ACROSS], 0), min(x + level[ACROSS] + 1, columns)):
                there = row + ((yy - y + level[DOWN]) * wide + xx - x + level[ACROSS]) * atoms
                place = firsts[number] + yy * columns + xx
                if yy == y and xx == x:
                    itself = size + e - begins[place]
                size = _enter(begins, place, members, level, tables, there, own, others, entries, size)
        entries[itself] += own * reals[number, PULL]
        # Those below that it reconstructs.
        for at in range(level[FIRST_LINK], level[LAST_LINK]):
            link = links[at]
            child = levels[link[CHILD]]
            across = -weights[number, 0] * scale * weights[link[CHILD], 1]
            top, left = y * link[STRIDE] - link[TOP], x * link[STRIDE] - link[LEFT]
            for i in range(max(0, -top), min(link[TALL], child[ROWS] - top)):
                for tap in range(max(0, -left), min(link[WIDE], child[COLUMNS] - left)):
                    there = link[ATOM_TAPS] + ((k * link[TALL] + i) * link[WIDE] + tap) * child[ATOMS]
                    place = firsts[link[CHILD]] + (top + i) * child[COLUMNS] + left + tap
                    size = _enter(begins, place, members, child, tables, there, across, others, entries, size)
        # Those above that reconstruct it.
        if level[ABOVE] < 0:
            continue
        link = links[level[ABOVE]]
        parent, stride = levels[link[PARENT]], link[STRIDE]
        across = -weights[link[PARENT], 0] * scale * weights[link[PARENT], 1]
        for yy in _covering(y + link[TOP], link[TALL], stride, parent[ROWS]):
            for xx in _covering(x + link[LEFT], link[WIDE], stride, parent[COLUMNS]):
                tap = (y + link[TOP] - yy * stride) * link[WIDE] + x + link[LEFT] - xx * stride
                there = link[TAP_ATOMS] + (tap * atoms + k) * parent[ATOMS]
                place = firsts[link[PARENT]] + yy * parent[COLUMNS] + xx
                size = _enter(begins, place, members, parent, tables, there, across, others, entries, size)
    starts[len(members)] = size
    return starts, others, entries


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _enter(begins, place, members, level, tables, there, times, others, entries, size):
    """Append the members at a position of a level, with a multiple of the table's row there; the new size."""
    for o in range(begins[place], begins[place + 1]):
        others[size] = o
        entries[size] = times * tables[there + (members[o] - level[FIRST]) % level[ATOMS]]
        size += 1
    return size


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _longer(array, more):
    """With room for more, twice as long at least."""
    longer = np.empty(2 * len(array) + more, array.dtype)
    copy_row(array, longer)
    return longer
