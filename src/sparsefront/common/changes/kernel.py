"""Compiled: what a few changed pixels change of a chain of maps, sample by sample.

A chain is a table of numbers, a line a step (`Program`). What a step keeps of its maps lies in one line of `state` for
each sample, position by position with the channels side by side. What is overwritten there goes to a log first, so that
a change can be taken back.

All in one file: Numba's cache of a kernel does not notice a change of what it calls in another.
"""

import math

import numba
import numpy as np

from sparsecode import ensure_kernel_cache
from sparsefront.common.changes.kinds import (
    CLIP,
    CONVOLUTION,
    CROPPED,
    GELU,
    IN_C,
    IN_H,
    IN_W,
    INPUT,
    KEPT,
    KIND,
    LARGEST,
    LEAKY,
    OUT_C,
    OUT_H,
    OUT_W,
    OUTPUT,
    PLACES,
    POINTWISE,
    PURSUIT,
    SCALED,
    SETTINGS,
    SIGMOID,
    TANH,
    WEIGHTS,
)

ensure_kernel_cache()

NOTHING, CHANGED, TOO_MUCH = range(3)
"""What became of a sample: all that follows the chain is as it was, or not, or the log was full before the end."""
WALKED, ENDED, UNJUDGED = range(3)
"""Of a search: it came to the last of these queries, or ended before, or the model itself has to judge a point."""

_MATH = {"contract", "reassoc", "nsz"}  # bounds may be infinite


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def follow_changes(first, last, rows, images, points, chain, kept, buffers, outcome):
    """Follow the changes from images[rows[s]] to points[s] through the chain for s in [first, last).

    Args:
        first: of the questions.
        last: of them, excluded.
        rows: (S,) int64, the samples.
        images: (B, C, H, W) what is kept.
        points: (S, C, H, W) what is asked about.
        chain: (table, bounds, places, weights).
        kept: (state (B, N), where the log's entries begin in it, their lengths, their values, and how many entries and
            values there are (B, 2)).
        buffers: of this thread: places, places made, new and old values, those made, marks, the last mark, numbers of
            channels, and values of channels, twice.
        outcome: (S,) int8, what became of the sample.
    """
    channels, height, width = images.shape[1:]
    for s in range(first, last):
        row = rows[s]
        at, new, old = buffers[0], buffers[2], buffers[3]
        count = np.int64(0)  # not a literal 0, for which Numba would compile the whole chain twice
        for y in range(height):
            for x in range(width):
                differs = False
                for c in range(channels):
                    differs |= points[s, c, y, x] != images[row, c, y, x]
                if differs:
                    at[count] = y * width + x
                    for c in range(channels):
                        new[count * channels + c] = points[s, c, y, x]
                        old[count * channels + c] = images[row, c, y, x]
                    count += 1
        count = _follow(row, count, chain, kept, buffers)
        outcome[s] = TOO_MUCH if count < 0 else CHANGED if count > 0 else NOTHING


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _follow(row, count, chain, kept, buffers):
    """Follow one sample's changes, of so many pixels in the buffers; how many of the last step, -1: the log is full."""
    kept[4][row, 0] = kept[4][row, 1] = 0
    for step in range(len(chain[0])):
        if count <= 0:
            break
        count = _step(step, row, count, chain, kept, buffers)
    return count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def search_changes(row, begin, sizes, moves, rules, walk, points, images, chain, kept, buffers):
    """Walk on from images[row] by rectangles, and keep each that does not lower the margin; the chain ends in logits.

    Args:
        row: the sample.
        begin: the query that `sizes` begins with; the sample may be further.
        sizes: (Q, 2) int64, height and width of the rectangle of each query.
        moves: (key of the draws, their first stream, share of rectangles with a sign for each pixel, and of those that
            hand the clean pixels back), see `mixed_linf_move`.
        rules: (queries without a rise after which a walk ends, queries after which it must be `worth` it, what is left
            open of logits by rounding as a multiple of the largest, whether classes are aimed at).
        walk: of all samples (B, ...): clean images, radii, numbers, classes, highest losses, what these must reach,
            queries of their last rises, next queries, and how often the model was asked.
        points: (B, C, H, W), where a point that the model has to judge is left.
        images: (B, C, H, W) what is kept.
        chain: as of `follow_changes`.
        kept: likewise.
        buffers: likewise.
    """
    clean, eps, numbers, classes, losses, worth, risen, queries, asked = walk
    patience, trial, resolution, targeted = rules
    channels, height, width = images.shape[1:]
    last = chain[0][len(chain[0]) - 1]
    logits = kept[0][row, last[OUTPUT] : last[OUTPUT] + last[OUT_C]]
    at = np.empty(height * width, dtype=np.int64)
    to = np.empty((height * width, channels), dtype=images.dtype)
    for query in range(queries[row], begin + len(sizes)):
        if query - risen[row] > patience or (query > trial and losses[row] < worth[row]):
            return ENDED
        queries[row] = query + 1
        sample = clean[row], eps[row], numbers[row]
        changed = _propose(*sample, query, sizes[query - begin], moves, images[row], at, to)
        if changed == 0:
            continue
        _hand_on(changed, at, to, images[row], buffers)
        asked[row] += 1
        count = _follow(row, changed, chain, kept, buffers)
        loss, largest, unknown, predicted = _margin(logits, classes[row], targeted)
        if count < 0:
            asked[row] -= 1  # the model counts it
        if count < 0 or (predicted == classes[row]) == targeted or unknown:
            take_back(row, kept)
            _copy(images[row], points[row])
            _put_pixels(points[row], changed, at, to)
            return UNJUDGED
        tie = resolution * largest
        if loss >= losses[row] - tie:
            _put_pixels(images[row], changed, at, to)
            if loss > losses[row] + tie:
                risen[row] = query
            losses[row] = max(losses[row], loss)
        else:
            take_back(row, kept)
    return WALKED


@numba.njit(cache=True, nogil=True, error_model="numpy")
def move_points(points, query, size, moves, clean, eps, numbers):
    """Change points by a rectangle each, as `search_changes` does.

    Args:
        points: (S, C, H, W), changed in place.
        query: whose draws these are.
        size: (2,) int64, height and width of the rectangles.
        moves: as of `search_changes`.
        clean: (S, C, H, W), the images that the points are near.
        eps: (S,), the radii, in the points' precision.
        numbers: (S,) int64, of the samples.
    """
    channels, height, width = points.shape[1:]
    at = np.empty(height * width, dtype=np.int64)
    to = np.empty((height * width, channels), dtype=points.dtype)
    for s in range(len(points)):
        changed = _propose(clean[s], eps[s], numbers[s], query, size, moves, points[s], at, to)
        _put_pixels(points[s], changed, at, to)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _propose(clean, eps, number, query, size, moves, image, at, to):
    """Where a rectangle changes pixels of an image, and to what: into (at, to); how many pixels these are."""
    key, stream, scattered, resets = moves
    channels, height, width = image.shape
    tall, wide = size[0], size[1]
    field = _mix(_mix(np.uint64(number) + key) + _mix(np.uint64(stream + query) ^ np.uint64(0x5851F42D4C957F2D)))
    top = int(_drawn(field, 0) * np.float32(height - tall + 1))
    left = int(_drawn(field, 1) * np.float32(width - wide + 1))
    kind = _drawn(field, 2)
    count = 0
    for y in range(top, top + tall):
        for x in range(left, left + wide):
            differs = False
            for c in range(channels):
                value = clean[c, y, x]
                if kind < scattered:
                    draw = _drawn(field, 3 + channels + (c * height + y) * width + x)
                else:
                    draw = _drawn(field, 3 + c)
                if kind < np.float32(1 - resets):
                    moved = value - eps if draw < 0.5 else value + eps
                    value = min(max(moved, type(value)(0)), type(value)(1))
                to[count, c] = value
                differs |= value != image[c, y, x]
            if differs:
                at[count] = y * width + x
                count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _hand_on(count, at, to, image, buffers):
    """Hand changed pixels of an image (C, H, W) to the first step."""
    channels, _, width = image.shape
    for i in range(count):
        buffers[0][i] = at[i]
        for c in range(channels):
            buffers[2][i * channels + c] = to[i, c]
            buffers[3][i * channels + c] = image[c, at[i] // width, at[i] % width]


@numba.njit(cache=True, nogil=True)
def _put_pixels(image, count, at, to):
    """Write pixels into an image (C, H, W)."""
    channels, _, width = image.shape
    for i in range(count):
        for c in range(channels):
            image[c, at[i] // width, at[i] % width] = to[i, c]


@numba.njit(cache=True, nogil=True)
def _copy(image, to):
    """Fill an image with another; an assignment to a slice would compile a message about shapes, for seconds."""
    channels, height, width = image.shape
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                to[c, y, x] = image[c, y, x]


@numba.njit(cache=True, nogil=True)
def _margin(logits, label, targeted):
    """The margin (for a target: its lead), the largest magnitude, whether one is not finite, the class predicted."""
    other = largest = type(logits[0])(-np.inf)
    unknown = False
    predicted = 0
    for k in range(len(logits)):
        largest = max(largest, abs(logits[k]))
        unknown |= not np.isfinite(logits[k])
        if k != label:
            other = max(other, logits[k])
        if logits[k] > logits[predicted]:
            predicted = k
    margin = other - logits[label]
    return -margin if targeted else margin, largest, unknown, predicted


@numba.njit(cache=True, nogil=True)
def _drawn(field, position):
    """A number of `common.noise.uniform`."""
    word = _mix(field + _mix(np.uint64(position) + np.uint64(0x632BE59BD9B4E019)))
    return np.float32((word >> np.uint64(40)) & np.uint64(0xFFFFFF)) / np.float32(2**24)


@numba.njit(cache=True, nogil=True)
def _mix(word):
    """Its mixing of words."""
    word += np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def settle_changes(rows, accepted, images, points, kept):
    """Keep the points of the accepted samples, take back what was changed for the others."""
    for s in range(len(rows)):
        if accepted[s]:
            _copy(points[s], images[rows[s]])
        else:
            take_back(rows[s], kept)


@numba.njit(cache=True, nogil=True)
def take_back(row, kept):
    """Write back what one sample's log holds."""
    state, log_at, log_lengths, log_values, log_counts = kept
    value = 0
    for entry in range(log_counts[row, 0]):
        at, length = log_at[row, entry], log_lengths[row, entry]
        logged, here = log_values[row, value : value + length], state[row, at : at + length]
        for i in range(length):
            here[i] = logged[i]
        value += length
    log_counts[row, 0] = log_counts[row, 1] = 0


@numba.njit(cache=True, nogil=True)
def _log(row, at, length, kept):
    """Log `length` values of the state from `at` on; false where the log is full."""
    state, log_at, log_lengths, log_values, log_counts = kept
    entries, values = log_counts[row, 0], log_counts[row, 1]
    if entries == log_at.shape[1] or values + length > log_values.shape[1]:
        return False
    log_at[row, entries], log_lengths[row, entries] = at, length
    logged, here = log_values[row, values : values + length], state[row, at : at + length]
    for i in range(length):
        logged[i] = here[i]
    log_counts[row, 0], log_counts[row, 1] = entries + 1, values + length
    return True


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _step(step, row, count, chain, kept, buffers):
    """Turn the change of a step's input into that of its output, in place; -1 where the log is full.

    The buffers hold P places, and (P, C) new and old values; more of each where a step writes its output while it
    reads its input.
    """
    line = chain[0][step]
    kind = line[KIND]
    if kind == POINTWISE:
        return _pointwise(line, chain[1][step], count, buffers)
    if kind == CROPPED:
        return _crop(line, count, buffers)
    if kind == SCALED:
        return _scale(line, count, chain[3], buffers)
    if kind == KEPT:
        return count if _write(line[OUTPUT], line[OUT_C], row, count, kept, buffers) else -1
    if kind == CONVOLUTION:
        changed = _convolve(line, row, count, chain[3], kept, buffers)
    elif kind == PURSUIT:
        changed = _pursue(line, chain[1][step], row, count, chain[3], kept, buffers)
    elif not _write(line[INPUT], line[IN_C], row, count, kept, buffers):
        return -1
    else:
        changed = _windowed(line, row, count, chain, kept, buffers)
    channels = line[OUT_C]
    at, new, old, at_made, new_made, old_made = buffers[0], buffers[2], buffers[3], buffers[1], buffers[4], buffers[5]
    for i in range(changed):
        at[i] = at_made[i]
    for i in range(changed * channels):
        new[i], old[i] = new_made[i], old_made[i]
    return changed


@numba.njit(cache=True, nogil=True)
def _write(begin, channels, row, count, kept, buffers):
    """Write the new values to the state; false where the log is full."""
    at, new = buffers[0], buffers[2]
    state = kept[0]
    for i in range(count):
        base = begin + at[i] * channels
        if not _log(row, base, channels, kept):
            return False
        here, values = state[row, base : base + channels], new[i * channels : (i + 1) * channels]
        for c in range(channels):
            here[c] = values[c]
    return True


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _convolve(line, row, count, weights, kept, buffers):
    """Add the layer of the differences to what was there."""
    at, at_made, new, old, new_made, old_made, marks, stamp, index, values, _ = buffers
    state = kept[0][row]
    channels, made, columns = line[IN_C], line[OUT_C], line[OUT_W]
    high, wide, down, across, up, aside, transposed = line[SETTINGS : SETTINGS + 7]
    stamp[0] += 1
    touched = 0
    for i in range(count):
        terms = 0
        after, before = new[i * channels : (i + 1) * channels], old[i * channels : (i + 1) * channels]
        for c in range(channels):
            difference = after[c] - before[c]
            if difference != 0:
                index[terms], values[terms] = c, difference
                terms += 1
        if terms == 0:
            continue
        y, x = at[i] // line[IN_W], at[i] % line[IN_W]
        for a in range(high):
            to_y = _reached(y, a, high, down, up, transposed, line[OUT_H])
            b = 0
            while to_y >= 0 and b < wide:
                to_x = _reached(x, b, wide, across, aside, transposed, columns)
                if to_x < 0:
                    b += 1
                    continue
                length = min(wide - b, columns - to_x) if across == 1 else 1  # columns side by side at a time
                for place in range(to_y * columns + to_x, to_y * columns + to_x + length):
                    if marks[place] == stamp[0]:
                        continue
                    marks[place] = stamp[0]
                    base = line[OUTPUT] + place * made
                    if not _log(row, base, made, kept):
                        return -1
                    at_made[touched] = place
                    here, kept_old = state[base : base + made], old_made[touched * made : (touched + 1) * made]
                    for o in range(made):
                        kept_old[o] = here[o]
                    touched += 1
                base = line[OUTPUT] + (to_y * columns + to_x) * made
                entry = line[WEIGHTS] + (a * channels * wide + b) * made
                _add(state[base : base + length * made], weights[entry:], wide * made, index, values, terms)
                b += length
    for i in range(touched):
        base = line[OUTPUT] + at_made[i] * made
        here, kept_new = state[base : base + made], new_made[i * made : (i + 1) * made]
        for o in range(made):
            kept_new[o] = here[o]
    return touched


@numba.njit(cache=True, nogil=True)
def _reached(y, entry, size, stride, padding, transposed, lines):
    """The line of the output that a line of the input reaches through an entry of the kernel, -1 if none.

    Entries are counted so that later ones reach further.
    """
    if transposed:
        to = y * stride - padding + entry
    else:
        to = y + padding - (size - 1 - entry)
        if to % stride != 0:
            return -1
        to = to // stride
    return to if 0 <= to < lines else -1


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _add(sums, weights, pitch, index, values, terms):
    """Add the weights of some channels, a pitch apart, times values; four channels a sweep."""
    made = len(sums)
    j = 0
    while j + 4 <= terms:
        a, b = weights[index[j] * pitch :], weights[index[j + 1] * pitch :]
        c, d = weights[index[j + 2] * pitch :], weights[index[j + 3] * pitch :]
        p, q, r, s = values[j], values[j + 1], values[j + 2], values[j + 3]
        for o in range(made):
            sums[o] += p * a[o] + q * b[o] + r * c[o] + s * d[o]
        j += 4
    while j < terms:
        a, p = weights[index[j] * pitch :], values[j]
        for o in range(made):
            sums[o] += p * a[o]
        j += 1


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _pointwise(line, bounds, count, buffers):
    """The function of new and old values, where these are not the same."""
    at, new, old = buffers[0], buffers[2], buffers[3]
    channels, function = line[IN_C], line[SETTINGS]
    changed = 0
    for i in range(count):
        differs = False
        for c in range(channels):
            before = _value(function, bounds, old[i * channels + c])
            after = _value(function, bounds, new[i * channels + c])
            differs |= after != before
            old[changed * channels + c], new[changed * channels + c] = before, after
        if differs:
            at[changed] = at[i]
            changed += 1
    return changed


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _value(function, bounds, x):
    if function == CLIP:
        return min(max(x, bounds[0]), bounds[1])
    if function == LEAKY:
        return x if x > 0 else x * bounds[0]
    if function == TANH:
        return type(x)(math.tanh(x))
    if function == GELU:
        return type(x)(0.5 * x * (1 + math.erf(x / math.sqrt(2.0))))
    sigmoid = 1 / (1 + math.exp(-x))
    return type(x)(sigmoid if function == SIGMOID else x * sigmoid)


@numba.njit(cache=True, nogil=True)
def _crop(line, count, buffers):
    """The same change, without what is left out."""
    at, new, old = buffers[0], buffers[2], buffers[3]
    channels = line[IN_C]
    inside = 0
    for i in range(count):
        y, x = at[i] // line[IN_W] - line[SETTINGS], at[i] % line[IN_W] - line[SETTINGS + 1]
        if 0 <= y < line[OUT_H] and 0 <= x < line[OUT_W]:
            at[inside] = y * line[OUT_W] + x
            for c in range(channels):
                new[inside * channels + c], old[inside * channels + c] = new[i * channels + c], old[i * channels + c]
            inside += 1
    return inside


@numba.njit(cache=True, nogil=True)
def _scale(line, count, weights, buffers):
    """The same change times the position's number."""
    at, new, old = buffers[0], buffers[2], buffers[3]
    channels = line[IN_C]
    for i in range(count):
        factor = weights[line[WEIGHTS] + at[i]]
        for entry in range(i * channels, (i + 1) * channels):
            new[entry] *= factor
            old[entry] *= factor
    return count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _pursue(line, bounds, row, count, weights, kept, buffers):
    """Codes of one or two atoms where correlations changed; the last channel is handed on."""
    at, new, made = buffers[0], buffers[2], buffers[9]
    atoms = line[IN_C] - 1
    changed = 0
    for i in range(count):
        correlations = new[i * (atoms + 1) : (i + 1) * (atoms + 1)]
        first = 0
        for j in range(atoms):
            made[j] = 0
            if abs(correlations[j]) > abs(correlations[first]):
                first = j
        made[atoms], lead = correlations[atoms], correlations[first]
        base = line[WEIGHTS] + first * atoms
        coupling = weights[base : base + atoms]
        second = _second(correlations, coupling, first, line[SETTINGS + 1], bounds[0]) if line[SETTINGS] > 1 else first
        if second != first:
            g = coupling[second]
            made[second] = (correlations[second] - g * lead) / (1 - g * g)
            lead -= g * made[second]
        made[first] = lead
        changed = _put(line, row, at[i], made, changed, kept, buffers)
        if changed < 0:
            return -1
    return changed


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _second(correlations, coupling, first, order_recursive, least):
    """The atom chosen after the first; the first where there is none."""
    second, highest = first, type(correlations[0])(0)
    for j in range(len(coupling)):
        outside = 1 - coupling[j] * coupling[j]
        residual = correlations[j] - coupling[j] * correlations[first]
        score = residual * residual / outside if order_recursive else abs(residual)
        if score > highest and outside > least and j != first:
            second, highest = j, score
    return second


@numba.njit(cache=True, nogil=True)
def _put(line, row, place, made, changed, kept, buffers):
    """Write one position's new values to the state where they differ; how many positions did so far, -1: log full."""
    channels = line[OUT_C]
    base = line[OUTPUT] + place * channels
    here = kept[0][row, base : base + channels]
    differs = False
    for c in range(channels):
        differs |= made[c] != here[c]
    if not differs:
        return changed
    if not _log(row, base, channels, kept):
        return -1
    buffers[1][changed] = place
    entries = slice(changed * channels, (changed + 1) * channels)
    new_made, old_made = buffers[4][entries], buffers[5][entries]
    for c in range(channels):
        old_made[c], new_made[c], here[c] = here[c], made[c], made[c]
    return changed + 1


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _windowed(line, row, count, chain, kept, buffers):
    """What a step makes of the windows that changed positions belong to."""
    at, marks, stamp, made = buffers[0], buffers[6], buffers[7], buffers[9]
    state, places = kept[0][row], chain[2]
    down, along = line[PLACES], line[PLACES] + 2 * line[OUT_H]
    firsts = along + 2 * line[OUT_W]
    stamp[0] += 1
    changed = 0
    for i in range(count):
        y, x = at[i] // line[IN_W], at[i] % line[IN_W]
        r = places[firsts + y]
        while r < line[OUT_H] and places[down + 2 * r] <= y:
            q = places[firsts + line[IN_H] + x]
            while q < line[OUT_W] and places[along + 2 * q] <= x:
                place = r * line[OUT_W] + q
                if marks[place] != stamp[0]:
                    marks[place] = stamp[0]
                    top, left = places[down + 2 * r], places[along + 2 * q]
                    if line[KIND] == LARGEST:
                        bottom, right = places[down + 2 * r + 1], places[along + 2 * q + 1]
                        _maximum(line, state, top, bottom, left, right, made)
                    else:
                        _code(line, state, top, left, chain[3], buffers)
                    changed = _put(line, row, place, made, changed, kept, buffers)
                    if changed < 0:
                        return -1
                q += 1
            r += 1
    return changed


@numba.njit(cache=True, nogil=True)
def _maximum(line, state, top, bottom, left, right, largest):
    """The largest value of each channel in one window."""
    channels = line[IN_C]
    for c in range(channels):
        largest[c] = -np.inf
    for v in range(top, bottom):
        for u in range(left, right):
            base = line[INPUT] + (v * line[IN_W] + u) * channels
            values = state[base : base + channels]
            for c in range(channels):
                if values[c] > largest[c]:
                    largest[c] = values[c]


@numba.njit(cache=True, nogil=True, fastmath=_MATH, error_model="numpy")
def _code(line, state, top, left, weights, buffers):
    """Project one patch, choose the largest projections, and quantise them, into the buffer of values."""
    index, codes = buffers[8], buffers[9]
    size, top_t, quantises = line[SETTINGS], line[SETTINGS + 1], line[SETTINGS + 2]
    channels, atoms = line[IN_C], line[OUT_C]
    projections = buffers[10]
    for k in range(atoms):
        projections[k] = codes[k] = 0
    for v in range(size):
        for u in range(size):
            pixel = line[INPUT] + ((top + v) * line[IN_W] + left + u) * channels
            for c in range(channels):
                value = state[pixel + c]
                if value != 0:
                    base = line[WEIGHTS] + ((v * size + u) * channels + c) * atoms
                    entries = weights[base : base + atoms]
                    for k in range(atoms):
                        projections[k] += value * entries[k]
    least = _choose(projections, atoms, top_t, index)
    norms = line[WEIGHTS] + size * size * channels * atoms
    for i in range(least):
        k = index[i]
        value = projections[k]
        if not quantises:
            codes[k] = value
        elif abs(value) >= weights[norms + atoms + k]:
            codes[k] = weights[norms + k] if value > 0 else -weights[norms + k]


@numba.njit(cache=True, nogil=True)
def _choose(projections, atoms, top_t, index):
    """The numbers of the `top_t` largest magnitudes; how many these are."""
    for k in range(top_t):
        index[k] = k
    if top_t == atoms:
        return top_t
    lowest = 0
    for i in range(1, top_t):
        if abs(projections[index[i]]) < abs(projections[index[lowest]]):
            lowest = i
    for k in range(top_t, atoms):
        if abs(projections[k]) > abs(projections[index[lowest]]):
            index[lowest] = k
            for i in range(top_t):
                if abs(projections[index[i]]) < abs(projections[index[lowest]]):
                    lowest = i
    return top_t
