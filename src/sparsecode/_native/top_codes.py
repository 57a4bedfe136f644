"""The largest of many values, and a transposed convolution of codes that are nearly all zero, compiled."""

import numba
import numpy as np

from sparsecode._native.copy_row import copy_row

_FAST = {"contract", "reassoc", "nsz"}


@numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def largest(values, chosen, first, last):
    """Where the largest magnitudes of rows first..last are, in descending order.

    A row is dealt out to lanes, twice as many as are chosen. The T-th of the lanes' peaks is reached by T magnitudes at
    least, so that those below are not among the T largest, and few are left to be sorted.

    Args:
        values: (N, L).
        chosen: (N, T) int64; filled.
        first: of the rows.
        last: of the rows, excluded.
    """
    length, count = values.shape[1], chosen.shape[1]
    lanes = 16
    while lanes < 2 * count:
        lanes *= 2
    lanes = min(lanes, length)
    sizes, peaks = np.empty(length, values.dtype), np.empty(lanes, values.dtype)
    order = np.empty(length, np.int64)
    for n in range(first, last):
        row = values[n]
        for j in range(length):
            sizes[j] = abs(row[j])
        for j in range(lanes):
            peaks[j] = sizes[j]
        for begin in range(lanes, length, lanes):
            part = sizes[begin : min(begin + lanes, length)]
            for j in range(len(part)):
                peaks[j] = max(peaks[j], part[j])
        for j in range(lanes):
            order[j] = j
        _sort(peaks, order[:lanes], count)
        least = peaks[order[count - 1]]
        left = 0
        for j in range(length):
            if sizes[j] >= least:
                order[left] = j
                left += 1
        _sort(sizes, order[:left], count)
        copy_row(order[:count], chosen[n])


@numba.njit(cache=True, nogil=True)
def _sort(sizes, order, count):
    """Put the `count` largest of the sizes at these places first, in descending order, by insertion: there are few."""
    for t in range(1, len(order)):
        j, place = order[t], t
        if t >= count:
            place = count - 1
            if not sizes[j] > sizes[order[place]]:
                continue
        while place > 0 and sizes[order[place - 1]] < sizes[j]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = j


@numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def spread(index, values, weights, stride, maps, first, last):
    """Add the layer of the codes of images first..last to their maps.

    Piece by piece of the kernel, so that the weights of one stay in the second cache over all positions.

    Args:
        index: (B, h, w, T) int64, channels of the codes.
        values: (B, h, w, T).
        weights: (L, k, P, N), each line of the kernel in P pieces of so many entries times outputs.
        stride: of the layer in lines, and in entries times outputs.
        maps: (B, H, W O).
        first: of the images.
        last: of the images, excluded.
    """
    _, height, width, count = index.shape
    shape = last - first, height, width, count
    channels, factors, terms = np.empty(shape, np.int64), np.empty(shape, values.dtype), np.empty(shape[:3], np.int64)
    for b in range(first, last):
        for y in range(height):
            for x in range(width):
                at = b - first, y, x
                terms[at] = _without_zeros(index[b, y, x], values[b, y, x], channels[at], factors[at])
    _, lines, pieces, length = weights.shape
    for v in range(lines):
        for u in range(pieces):
            for b in range(first, last):
                for y in range(height):
                    for x in range(width):
                        at, begin = (b - first, y, x), x * stride[1] + u * length
                        place = maps[b, y * stride[0] + v, begin : begin + length]
                        _add(place, weights, v, u, channels[at], factors[at], terms[at])


@numba.njit(cache=True, nogil=True)
def _without_zeros(index, values, channels, factors):
    """Write those that are not zero; how many there are."""
    terms = 0
    for t in range(len(index)):
        if values[t] != 0:
            channels[terms], factors[terms] = index[t], values[t]
            terms += 1
    return terms


@numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _add(sums, weights, v, u, index, values, terms):
    """Add the weights of some channels in one piece of the kernel, times values; eight, four or one channel a sweep."""
    t = 0
    while t + 8 <= terms:
        p0, p1, p2, p3 = values[t], values[t + 1], values[t + 2], values[t + 3]
        p4, p5, p6, p7 = values[t + 4], values[t + 5], values[t + 6], values[t + 7]
        w0, w1 = weights[index[t], v, u], weights[index[t + 1], v, u]
        w2, w3 = weights[index[t + 2], v, u], weights[index[t + 3], v, u]
        w4, w5 = weights[index[t + 4], v, u], weights[index[t + 5], v, u]
        w6, w7 = weights[index[t + 6], v, u], weights[index[t + 7], v, u]
        for o in range(len(sums)):
            sums[o] += (
                p0 * w0[o] + p1 * w1[o] + p2 * w2[o] + p3 * w3[o]
                + p4 * w4[o] + p5 * w5[o] + p6 * w6[o] + p7 * w7[o]
            )  # fmt: skip
        t += 8
    while t + 4 <= terms:
        p0, p1, p2, p3 = values[t], values[t + 1], values[t + 2], values[t + 3]
        w0, w1 = weights[index[t], v, u], weights[index[t + 1], v, u]
        w2, w3 = weights[index[t + 2], v, u], weights[index[t + 3], v, u]
        for o in range(len(sums)):
            sums[o] += p0 * w0[o] + p1 * w1[o] + p2 * w2[o] + p3 * w3[o]
        t += 4
    while t < terms:
        p0, w0 = values[t], weights[index[t], v, u]
        for o in range(len(sums)):
            sums[o] += p0 * w0[o]
        t += 1


@numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def gather(index, weights, stride, gradient, slopes, first, last):
    """The derivatives in the codes of images first..last: the transpose of `spread` at the chosen channels.

    Args:
        index: (B, h, w, T) int64.
        weights: as of `spread`.
        stride: likewise.
        gradient: (B, H, W O), of the maps.
        slopes: (B, h, w, T), zeros; filled.
        first: of the images.
        last: of the images, excluded.
    """
    _, height, width, _ = index.shape
    _, lines, pieces, length = weights.shape
    for v in range(lines):
        for u in range(pieces):
            for b in range(first, last):
                for y in range(height):
                    for x in range(width):
                        begin = x * stride[1] + u * length
                        place = gradient[b, y * stride[0] + v, begin : begin + length]
                        _multiply(place, weights, v, u, index[b, y, x], slopes[b, y, x])


@numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def _multiply(place, weights, v, u, index, sums):
    """Add the products of a place with the weights of some channels in one piece of the kernel; four a sweep."""
    t, count = 0, len(index)
    zero = type(place[0])(0)
    while t + 4 <= count:
        w0, w1 = weights[index[t], v, u], weights[index[t + 1], v, u]
        w2, w3 = weights[index[t + 2], v, u], weights[index[t + 3], v, u]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for o in range(len(place)):
            s0 += place[o] * w0[o]
            s1 += place[o] * w1[o]
            s2 += place[o] * w2[o]
            s3 += place[o] * w3[o]
        sums[t] += s0
        sums[t + 1] += s1
        sums[t + 2] += s2
        sums[t + 3] += s3
        t += 4
    while t < count:
        w0, s0 = weights[index[t], v, u], zero
        for o in range(len(place)):
            s0 += place[o] * w0[o]
        sums[t] += s0
        t += 1


@numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")
def weigh(index, values, stride, gradient, sums, first, last):
    """Add the derivatives in the weights, of images first..last.

    Args:
        index: (B, h, w, T) int64.
        values: (B, h, w, T).
        stride: as of `spread`.
        gradient: (B, H, W O), of the maps.
        sums: (L, k, P, N), of this thread alone.
        first: of the images.
        last: of the images, excluded.
    """
    _, height, width, count = index.shape
    _, lines, pieces, length = sums.shape
    for v in range(lines):
        for u in range(pieces):
            for b in range(first, last):
                for y in range(height):
                    for x in range(width):
                        begin = x * stride[1] + u * length
                        place = gradient[b, y * stride[0] + v, begin : begin + length]
                        for t in range(count):
                            value = values[b, y, x, t]
                            if value != 0:
                                here = sums[index[b, y, x, t], v, u]
                                for o in range(length):
                                    here[o] += value * place[o]
