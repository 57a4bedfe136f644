"""Means and deviations against numbers worked out by hand, and against the standard library's."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.report.seed_mean import SeedMean


def test_mean_and_deviation_of_three_seeds_are_those_worked_out_by_hand():
    seeds = SeedMean((0.5, 0.7, 0.9))
    assert seeds.mean == pytest.approx(0.7)
    assert seeds.deviation == pytest.approx(0.2)  # (0.04 + 0 + 0.04) / 2 = 0.04
    assert (seeds.lowest, seeds.highest, seeds.n) == (0.5, 0.9, 3)
    assert str(seeds) == "70.0 ± 20.0"


def test_two_seeds_deviate_by_their_difference_over_the_root_of_two():
    assert str(SeedMean((0.8, 0.9))) == "85.0 ± 7.1"


def test_equal_seeds_deviate_by_nothing():
    assert str(SeedMean((1 / 3, 1 / 3, 1 / 3))) == "33.3 ± 0.0"


def test_one_seed_says_no_deviation():
    seed = SeedMean((0.8,))
    assert seed.deviation is None
    assert str(seed) == "80.0"


@given(st.lists(st.floats(0, 1), min_size=2, max_size=12))
def test_mean_and_deviation_are_those_of_the_standard_library(shares):
    seeds = SeedMean(tuple(shares))
    assert seeds.mean == pytest.approx(statistics.mean(shares), abs=1e-12)
    assert seeds.deviation == pytest.approx(statistics.stdev(shares), abs=1e-9)


def test_no_shares_are_refused():
    with pytest.raises(ValueError, match="`shares` must hold one share a seed, found none; leave out what no seed has"):
        SeedMean(())
