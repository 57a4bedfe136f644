"""Accuracy over draws, beside draws made."""

import numpy as np
import pytest

from sparsefront.results.over_draws import OverDraws


def test_nine_in_ten_passes_and_more_fall_into_the_interval():
    generator = np.random.default_rng(0)
    chances = generator.random(200)
    shares = (generator.random((10, 200)) < chances).mean(axis=0)
    over = OverDraws.of(shares, 10)
    passes = (generator.random((4000, 200)) < chances).mean(axis=1)
    inside = (np.abs(passes - chances.mean()) <= over.spread).mean()
    assert 0.93 < inside < 0.97
    assert over.mean == shares.mean()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_model_whose_draws_agree_has_no_spread(value):
    assert OverDraws.of(np.full(5, value), 10) == (value, 0.0)
