"""Convolutional basis pursuit denoising by locally greedy choice and coordinate descent, compiled."""

import math

import numba
import numpy as np

from sparsecode._native.copy_row import copy_row

_SEGMENT = 4  # side of the squares of pixels in which coefficients are chosen together
_CHOICES = 2  # coefficients chosen in a segment before all chosen ones are solved for again
_SWEEPS = 1000  # over the chosen coefficients before the residual is computed afresh
_SPARE = 32  # places that a row of inner products has left at first
_LOOSE = 0.1  # share of the worst violation outside at which solving inside is precise enough
_UNKNOWN = 1e30  # fast arithmetic knows no infinity
# Columns of the table of chosen coefficients.
_ROW, _COLUMN, _FILTER, _NEXT, _START, _SIZE, _ROOM = range(7)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def descend(images, filters, gram, lmbda, tolerance, max_rounds, codes, done, first, last):
    """Code the images first..last.

    As in LGCD (Moreau et al. 2018), an image is cut into small segments, and in each the coefficients that move
    farthest are chosen; an update reaches only the segment it is chosen in. Between such rounds all coefficients ever
    chosen are solved for by cyclic coordinate descent, in which an update reaches only the other chosen ones: codes
    are so sparse that this is a hundred times fewer than all coefficients in reach.

    Which coefficients violate optimality is found from the residual. A pixel is passed over where the residual has
    changed too little since it was last looked at to make a violation, by Cauchy and Schwarz for unit-norm filters.

    Args:
        images: (N, C, H, W).
        filters: (K, C, h, w) of unit norm.
        gram: (K, 2h-1, 2w-1, K), the inner product of filter k at p and filter l at p + d in [k, d + (h-1, w-1), l].
        lmbda: weight of the l1 norm.
        tolerance: change at which a coefficient, minimised alone, is left as it is.
        max_rounds: of choosing.
        codes: (N, K, H, W) to start from; overwritten by the solution.
        done: (N,) False; filled with whether an image's coefficients are all within `tolerance`.
        first: of the images.
        last: of the images, excluded.
    """
    n_filters, channels, tall, wide = filters.shape
    height, width = images.shape[2:]
    zero = images.dtype.type(0)
    bank = np.zeros((-(-n_filters // 4) * 4, channels * tall * wide), images.dtype)  # rows in fours, for `_correlate`
    for k in range(n_filters):
        _cut(filters[k], 0, 0, tall, wide, bank[k])
    residual = np.empty((channels, height + tall - 1, width + wide - 1), images.dtype)
    before = np.empty_like(residual)
    bound = np.empty((height, width), images.dtype)  # on the largest |slack| of a pixel's coefficients not chosen
    chosen = np.zeros((height, width, n_filters), np.bool_)
    heads = np.empty((height, width), np.int64)  # last chosen coefficient of each pixel; _NEXT leads to the others
    slacks = np.empty((_SEGMENT * _SEGMENT, len(bank)), images.dtype)
    for n in range(first, last):
        table, values = np.empty((256, 7), np.int64), np.empty((256, 2), images.dtype)  # values: coefficient and slack
        others, weights = np.empty(1024, np.int32), np.empty(1024, images.dtype)
        heads[:], bound[:] = -1, _UNKNOWN
        number = used = linked = np.int64(0)  # not a literal 0, for which Numba would compile everything twice
        for k in range(n_filters):
            for y in range(height):
                for x in range(width):
                    if codes[n, k, y, x] != 0:
                        if number == len(table):
                            table, values = _longer(table), _longer(values)
                        table[number, _ROW], table[number, _COLUMN], table[number, _FILTER] = y, x, k
                        values[number, 0], codes[n, k, y, x] = codes[n, k, y, x], zero
                        chosen[y, x, k] = True
                        number += 1
        worst = zero
        _residual(images[n], filters, table, values, number, residual)
        copy_row(residual.reshape(residual.size), before.reshape(before.size))
        for _ in range(max_rounds):
            others, weights, used = _link(linked, number, table, others, weights, used, heads, gram)
            linked = number
            _slacks(number, residual, bank, table, values, tall, wide)
            precision = max(tolerance, images.dtype.type(_LOOSE) * worst)
            settled = _sweep(table, values, number, others, weights, lmbda, precision) < _SWEEPS
            _residual(images[n], filters, table, values, number, residual)
            _loosen(residual, before, bound, tall, wide)
            worst = zero
            for top in range(0, height, _SEGMENT):
                for left in range(0, width, _SEGMENT):
                    if number + _CHOICES > len(table):
                        table, values = _longer(table), _longer(values)
                    number, violation = _choose(
                        top, left, residual, bank, gram, lmbda, tolerance, bound, slacks, chosen, table, values, number
                    )
                    worst = max(worst, violation)
            copy_row(residual.reshape(residual.size), before.reshape(before.size))
            if number == linked and settled and precision <= tolerance:
                done[n] = True
                break
        for e in range(number):
            y, x, k = table[e, _ROW], table[e, _COLUMN], table[e, _FILTER]
            codes[n, k, y, x] = values[e, 0]
            chosen[y, x, k] = False


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _longer(array):
    longer = np.empty((2 * array.shape[0], *array.shape[1:]), array.dtype)
    copy_row(array.reshape(array.size), longer.reshape(longer.size))
    return longer


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _residual(image, filters, table, values, number, residual):
    """Residual = y - D z, with its first rows and columns repeated after the last."""
    _, channels, tall, wide = filters.shape
    height, width = image.shape[1:]
    residual[:] = 0
    for e in range(number):
        a = values[e, 0]
        if a != 0:
            y, x, k = table[e, _ROW], table[e, _COLUMN], table[e, _FILTER]
            for c in range(channels):
                for i in range(tall):
                    for j in range(wide):
                        residual[c, y + i, x + j] -= a * filters[k, c, i, j]
    for c in range(channels):
        for i in range(tall - 1):
            for x in range(width + wide - 1):
                residual[c, i, x] += residual[c, height + i, x]
        for y in range(height):
            for j in range(wide - 1):
                residual[c, y, j] += residual[c, y, width + j]
            for x in range(width):
                residual[c, y, x] += image[c, y, x]
            for j in range(wide - 1):
                residual[c, y, width + j] = residual[c, y, j]
        for i in range(tall - 1):
            for x in range(width + wide - 1):
                residual[c, height + i, x] = residual[c, i, x]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _link(first, last, table, others, weights, used, heads, gram):
    """Enter coefficients into their pixels' lists, and their inner products with all entered before in both rows.

    A row that is full moves to where there is more room.

    Returns:
        The rows' columns and values, which may have been moved as a whole, and how much of them is used.
    """
    height, width = heads.shape
    tall, wide = gram.shape[1] // 2, gram.shape[2] // 2
    for e in range(first, last):
        y, x, k = table[e, _ROW], table[e, _COLUMN], table[e, _FILTER]
        table[e, _NEXT], heads[y, x] = heads[y, x], e
        start = used
        used += 4 * (e + 1) + _SPARE  # in an image smaller than two filters a coefficient is met up to four times
        while used > len(others):
            others, weights = _longer(others), _longer(weights)
        size = 0
        for dy in range(-tall, tall + 1):
            yy = y + dy
            yy += height if yy < 0 else (-height if yy >= height else 0)
            for dx in range(-wide, wide + 1):
                xx = x + dx
                xx += width if xx < 0 else (-width if xx >= width else 0)
                o = heads[yy, xx]
                while o >= 0:
                    others[start + size] = o
                    weights[start + size] = gram[k, dy + tall, dx + wide, table[o, _FILTER]]
                    size += 1
                    o = table[o, _NEXT]
        used = start + size + _SPARE
        table[e, _START], table[e, _SIZE], table[e, _ROOM] = start, size, size + _SPARE
        for at in range(start, start + size):
            o = others[at]
            if o == e:
                continue
            old, end = table[o, _START], table[o, _SIZE]
            if end == table[o, _ROOM]:
                while used + 2 * end > len(others):
                    others, weights = _longer(others), _longer(weights)
                for t in range(end):
                    others[used + t], weights[used + t] = others[old + t], weights[old + t]
                table[o, _START], table[o, _ROOM] = used, 2 * end
                old = used
                used += 2 * end
            others[old + end], weights[old + end] = e, weights[at]
            table[o, _SIZE] = end + 1
    return others, weights, used


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _slacks(number, residual, bank, table, values, tall, wide):
    """<d_k, residual> of all chosen coefficients."""
    patch = np.empty(bank.shape[1], bank.dtype)
    for e in range(number):
        _cut(residual, table[e, _ROW], table[e, _COLUMN], tall, wide, patch)
        row, total = bank[table[e, _FILTER]], bank.dtype.type(0)
        for t in range(len(row)):
            total += patch[t] * row[t]
        values[e, 1] = total


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _sweep(table, values, number, others, weights, lmbda, precision):
    """Cyclic coordinate descent on the chosen coefficients until none would move by more than `precision`."""
    zero = lmbda - lmbda
    for sweep in range(_SWEEPS):
        settled = True
        for e in range(number):
            free = values[e, 0] + values[e, 1]
            new = free - lmbda if free > lmbda else (free + lmbda if free < -lmbda else zero)
            by = new - values[e, 0]
            if abs(by) > precision or (new == 0 and by != 0):  # a leftover near 0 would count as one of the support
                settled = False
                values[e, 0] = new
                start = table[e, _START]
                for at in range(start, start + table[e, _SIZE]):
                    values[others[at], 1] -= by * weights[at]
        if settled:
            return sweep
    return _SWEEPS


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _loosen(residual, before, bound, tall, wide):
    """Raise each pixel's bound by the norm of the change under a filter there, and take over the residual."""
    height, width = bound.shape
    change = np.zeros(residual.shape[1:], residual.dtype)
    for c in range(residual.shape[0]):
        for y in range(residual.shape[1]):
            for x in range(residual.shape[2]):
                by = residual[c, y, x] - before[c, y, x]
                change[y, x] += by * by
                before[c, y, x] = residual[c, y, x]
    for y in range(residual.shape[1]):
        for x in range(width):
            for j in range(1, wide):
                change[y, x] += change[y, x + j]
    for y in range(height):
        for i in range(1, tall):
            for x in range(width):
                change[y, x] += change[y + i, x]
        for x in range(width):
            bound[y, x] += math.sqrt(change[y, x])


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _choose(
    top,
    left,
    residual,
    bank,
    gram,
    lmbda,
    tolerance,
    bound,
    slacks,
    chosen,
    table,
    values,
    number,
):
    """Choose the coefficients of a segment that move farthest, one after the other.

    Returns:
        How many coefficients are chosen by now, and by how much the worst one here violates optimality.
    """
    height, width, n_filters = chosen.shape
    tall, wide = gram.shape[1] // 2, gram.shape[2] // 2
    looked, n_looked = np.empty((_SEGMENT * _SEGMENT, 2), np.int64), np.int64(0)
    for y in range(top, min(top + _SEGMENT, height)):
        for x in range(left, min(left + _SEGMENT, width)):
            if bound[y, x] > lmbda + tolerance:
                looked[n_looked, 0], looked[n_looked, 1] = y, x
                n_looked += 1
    _correlate(looked, n_looked, residual, bank, tall + 1, wide + 1, slacks)
    most = np.empty(n_looked, bank.dtype)  # of each pixel
    for m in range(n_looked):
        most[m] = _largest(slacks[m], chosen[looked[m, 0], looked[m, 1]])
        bound[looked[m, 0], looked[m, 1]] = most[m]
    worst = lmbda - lmbda
    for _ in range(_CHOICES):
        best = -1
        for m in range(n_looked):
            if most[m] > lmbda + tolerance and (best < 0 or most[m] > most[best]):
                best = m
        if best < 0:
            break
        worst = max(worst, most[best] - lmbda)
        y, x, k = looked[best, 0], looked[best, 1], 0
        while chosen[y, x, k] or abs(slacks[best, k]) < most[best]:
            k += 1
        by = slacks[best, k] - lmbda if slacks[best, k] > 0 else slacks[best, k] + lmbda
        chosen[y, x, k] = True
        table[number, _ROW], table[number, _COLUMN], table[number, _FILTER] = y, x, k
        values[number, 0] = by
        number += 1
        _take_out(by, y, x, k, bank, tall + 1, wide + 1, residual, bound)
        for m in range(n_looked):
            dy, dx = looked[m, 0] - y, looked[m, 1] - x
            if abs(dy) <= tall and abs(dx) <= wide:
                for other in range(n_filters):
                    slacks[m, other] -= by * gram[k, dy + tall, dx + wide, other]
                most[m] = _largest(slacks[m], chosen[looked[m, 0], looked[m, 1]])
    return number, worst


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _take_out(by, y, x, k, bank, tall, wide, residual, bound):
    """Subtract `by` times a filter at a pixel from the residual, and raise the bounds of all pixels in its reach."""
    height, width = bound.shape
    t = 0
    for c in range(residual.shape[0]):
        for i in range(tall):
            yy = y + i if y + i < height else y + i - height
            for j in range(wide):
                xx = x + j if x + j < width else x + j - width
                change = by * bank[k, t]
                t += 1
                residual[c, yy, xx] -= change
                if xx < wide - 1:
                    residual[c, yy, xx + width] -= change
                if yy < tall - 1:
                    residual[c, yy + height, xx] -= change
                    if xx < wide - 1:
                        residual[c, yy + height, xx + width] -= change
    for i in range(1 - tall, tall):
        yy = y + i
        yy += height if yy < 0 else (-height if yy >= height else 0)
        for j in range(1 - wide, wide):
            xx = x + j
            xx += width if xx < 0 else (-width if xx >= width else 0)
            bound[yy, xx] += abs(by)


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _largest(slacks, chosen):
    """Largest |slack| of a pixel's coefficients that are not chosen."""
    most = slacks.dtype.type(0)
    for k in range(len(chosen)):
        most = max(most, slacks.dtype.type(0) if chosen[k] else abs(slacks[k]))
    return most


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _correlate(pixels, number, residual, bank, tall, wide, slacks):
    """Inner products of the residual at some pixels with all filters, two pixels and four filters at once."""
    one, two = np.empty(bank.shape[1], bank.dtype), np.empty(bank.shape[1], bank.dtype)
    for m in range(0, number, 2):
        n = min(m + 1, number - 1)
        _cut(residual, pixels[m, 0], pixels[m, 1], tall, wide, one)
        _cut(residual, pixels[n, 0], pixels[n, 1], tall, wide, two)
        for k in range(0, len(bank), 4):
            p, q, r, s = bank[k], bank[k + 1], bank[k + 2], bank[k + 3]
            a = b = c = d = e = f = g = h = bank.dtype.type(0)
            for t in range(bank.shape[1]):
                u, v = one[t], two[t]
                a, b, c, d = a + u * p[t], b + u * q[t], c + u * r[t], d + u * s[t]
                e, f, g, h = e + v * p[t], f + v * q[t], g + v * r[t], h + v * s[t]
            slacks[m, k], slacks[m, k + 1], slacks[m, k + 2], slacks[m, k + 3] = a, b, c, d
            slacks[n, k], slacks[n, k + 1], slacks[n, k + 2], slacks[n, k + 3] = e, f, g, h


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _cut(residual, y, x, tall, wide, patch):
    """The residual under a filter at a pixel."""
    t = 0
    for c in range(residual.shape[0]):
        for i in range(tall):
            for j in range(wide):
                patch[t + j] = residual[c, y + i, x + j]
            t += wide
