import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.analysis import representation_distance


@pytest.mark.parametrize("difference", ["absolute", "rms"])
@pytest.mark.parametrize("deviation", ["over_images", "over_neurons"])
def test_the_distance_is_that_of_loops_over_images_and_neurons(difference, deviation):
    rng = np.random.default_rng(0)
    original, variant = rng.random((6, 4)), rng.random((6, 4))
    changes = [abs(variant[i, j] - original[i, j]) for i in range(6) for j in range(4)]
    moved = sum(changes) / 24 if difference == "absolute" else (sum(change**2 for change in changes) / 24) ** 0.5
    lines = [original[:, j] for j in range(4)] if deviation == "over_images" else [original[i] for i in range(6)]
    spreads = [(sum((value - sum(line) / len(line)) ** 2 for value in line) / len(line)) ** 0.5 for line in lines]
    found = representation_distance(torch.tensor(original), torch.tensor(variant), difference, deviation)
    assert found == pytest.approx(moved / (sum(spreads) / len(spreads)))


@settings(max_examples=20, deadline=None)
@given(st.floats(-5, 5), st.floats(0.1, 10))
def test_a_constant_shift_counts_in_units_of_the_spread_whatever_the_scale(shift, scale):
    original = scale * torch.tensor([[0.0, 7.0], [2.0, 7.0], [0.0, 9.0], [2.0, 9.0]])  # each neuron deviates by scale
    for difference in ("absolute", "rms"):
        assert representation_distance(original, original + scale * shift, difference) == pytest.approx(
            abs(shift), rel=1e-4, abs=1e-5
        )


def test_representations_that_stay_are_at_distance_0_and_a_layer_without_spread_has_no_unit():
    original = torch.rand(5, 3)
    assert representation_distance(original, original) == 0
    assert np.isnan(representation_distance(torch.ones(5, 3), torch.ones(5, 3)))
