"""One layer of deep sparse coding, as a setting."""

import re

import pytest
import torch

from sparsefront.frontends.dsc import DSCLayer


def test_every_pixel_is_covered_whatever_the_sizes():
    for side in range(1, 20):
        for size in range(1, 9):
            for stride in range(1, size + 1):
                (p, _), count = DSCLayer(2, size, stride).padding((side, side)), torch.zeros(side + 40)
                positions = (side + 2 * p - size) // stride + 1
                for first in range(positions):
                    count[first * stride : first * stride + size] += 1
                assert (count[p : p + side] > 0).all(), (side, size, stride)
                assert 0 <= p < size


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_atoms": 0}, "`n_atoms` must be at least 1"),
        ({"size": 3, "stride": 4}, "`stride` must be from 1 to `size` = 3, found 4"),
        ({"stride": 2}, "`stride` must be left out without a `size`"),
        ({"lmbda": 0.0}, "`lmbda` must be positive"),
        ({"feedback": -1.0}, "`feedback` must be >= 0"),
        ({"size": 2.5}, "`size` must be an integer"),
    ],
)
def test_layers_that_cannot_be_are_named(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DSCLayer(**{"n_atoms": 4, **settings})
