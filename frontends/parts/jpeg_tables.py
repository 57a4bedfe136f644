"""The numbers of JPEG: quantisation tables and the fixed-point cosine transform."""

import torch
from torch import Tensor

# ITU-T T.81, tables K.1 (luminance) and K.2 (chrominance).
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)


def quantisation_tables(quality: int) -> Tensor:
    """Tables (2, 8, 8) of luminance and chrominance, scaled to a `quality` from 1 to 100 as libjpeg does."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor([_LUMINANCE, _CHROMINANCE]) * percent + 50) // 100).clamp(1, 255)


def fixed_point_dct() -> Tensor:
    """Cosine transform (8, 8) of integers, sqrt(8) 2^13 times the orthonormal one, frequencies down.

    It is what the factorisation of Loeffler, Ligtenberg and Moschytz (1989) comes to with each of its factors rounded
    to 13 bits. That differs by 1 from rounding the cosines themselves in some entries, and so in some pixels.
    """

    def fixed(value: float) -> int:
        return round(value * 2**13)

    one, turn = fixed(1), fixed(0.541196100)
    near, far = turn + fixed(0.765366865), turn - fixed(1.847759065)
    # Even frequencies 0, 2, 4, 6 of the sums of the pixels 0 and 7, 1 and 6, 2 and 5, 3 and 4.
    even = [[one, one, one, one], [near, turn, -turn, -near], [one, -one, -one, one], [turn, far, -far, -turn]]
    # Odd frequencies 1, 3, 5, 7 of the differences.
    all_four = fixed(1.175875602)
    ends, middles = -fixed(0.899976223), -fixed(2.562915447)
    threes, ones = all_four - fixed(1.961570560), all_four - fixed(0.390180644)
    odd = [
        [fixed(1.501321110) + ends + ones, all_four, ones, ends + all_four],
        [all_four, fixed(3.072711026) + middles + threes, middles + all_four, threes],
        [ones, middles + all_four, fixed(2.053119869) + middles + ones, all_four],
        [ends + all_four, threes, all_four, fixed(0.298631336) + ends + threes],
    ]
    rows = []
    for even_row, odd_row in zip(even, odd, strict=True):
        rows += [even_row + even_row[::-1], odd_row + [-entry for entry in odd_row[::-1]]]
    return torch.tensor(rows)
