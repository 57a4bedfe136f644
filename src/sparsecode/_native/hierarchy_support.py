"""The linear system of the codes of stacked layers on their support, compiled."""

import numba
import numpy as np

from sparsecode._native.conjugate_gradients import conjugate_gradients
from sparsecode._native.copy_row import copy_row
from sparsecode._native.hierarchy_descent import (
    ABOVE,
    ACROSS,
    ATOM_TAPS,
    ATOMS,
    CHILD,
    COLUMNS,
    DOWN,
    FIRST,
    FIRST_LINK,
    KINDS,
    KINDS_ACROSS,
    LAST_LINK,
    LEFT,
    PARENT,
    PRODUCTS,
    PULL,
    ROWS,
    STRIDE,
    TALL,
    TAP_ATOMS,
    TOP,
    WIDE,
)


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
    size = 0
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
                for o in range(begins[place], begins[place + 1]):
                    others[size] = o
                    entries[size] = own * tables[there + (members[o] - level[FIRST]) % atoms]
                    if o == e:
                        entries[size] += own * reals[number, PULL]
                    size += 1
        # Those below that it reconstructs.
        across = -weights[number, 0] * scale
        for at in range(level[FIRST_LINK], level[LAST_LINK]):
            link = links[at]
            child = levels[link[CHILD]]
            top, left = y * link[STRIDE] - link[TOP], x * link[STRIDE] - link[LEFT]
            for i in range(max(0, -top), min(link[TALL], child[ROWS] - top)):
                for tap in range(max(0, -left), min(link[WIDE], child[COLUMNS] - left)):
                    there = link[ATOM_TAPS] + ((k * link[TALL] + i) * link[WIDE] + tap) * child[ATOMS]
                    place = firsts[link[CHILD]] + (top + i) * child[COLUMNS] + left + tap
                    for o in range(begins[place], begins[place + 1]):
                        others[size] = o
                        entries[size] = (
                            across
                            * weights[link[CHILD], 1]
                            * tables[there + (members[o] - child[FIRST]) % child[ATOMS]]
                        )
                        size += 1
        # Those above that reconstruct it.
        if level[ABOVE] < 0:
            continue
        link = links[level[ABOVE]]
        parent, stride = levels[link[PARENT]], link[STRIDE]
        across = -weights[link[PARENT], 0] * scale * weights[link[PARENT], 1]
        for yy in range(max(0, (y + link[TOP] - link[TALL]) // stride + 1), parent[ROWS]):
            i = y + link[TOP] - yy * stride
            if i < 0:
                break
            for xx in range(max(0, (x + link[LEFT] - link[WIDE]) // stride + 1), parent[COLUMNS]):
                tap = x + link[LEFT] - xx * stride
                if tap < 0:
                    break
                there = link[TAP_ATOMS] + ((i * link[WIDE] + tap) * atoms + k) * parent[ATOMS]
                place = firsts[link[PARENT]] + yy * parent[COLUMNS] + xx
                for o in range(begins[place], begins[place + 1]):
                    others[size] = o
                    entries[size] = across * tables[there + (members[o] - parent[FIRST]) % parent[ATOMS]]
                    size += 1
    starts[len(members)] = size
    return starts, others, entries


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _longer(array, more):
    """With room for more, twice as long at least."""
    longer = np.empty(2 * len(array) + more, array.dtype)
    copy_row(array, longer)
    return longer
