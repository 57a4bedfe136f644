import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.classifiers.parts.normalize import Normalize
from tests.helpers.precision import DTYPE

CHANNELS = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=5)


@given(channels=CHANNELS, height=st.integers(1, 4), width=st.integers(1, 4))
def test_each_channel_is_centred_and_scaled_by_its_own_numbers(channels, height, width):
    means, deviations = map(list, zip(*channels, strict=True))
    images = torch.rand(2, len(channels), height, width, dtype=torch.float64)
    normalised = Normalize(means, deviations, len(channels)).double()(images)
    for channel, (mean, deviation) in enumerate(channels):
        mean, deviation = torch.tensor([mean, deviation], dtype=DTYPE).tolist()  # as they are kept
        expected = (images[:, channel].numpy() - mean) / deviation
        np.testing.assert_allclose(normalised[:, channel], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("in_chans", "mean", "std", "expected"),
    [
        (3, None, None, ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])),
        (3, [0.9, 0.9, 0.9], None, ([0.9, 0.9, 0.9], [0.4, 0.5, 0.6])),
        (3, None, [0.7, 0.7, 0.7], ([0.1, 0.2, 0.3], [0.7, 0.7, 0.7])),
        (1, None, None, ([0.0], [1.0])),
        (2, [0.5, 0.6], None, ([0.5, 0.6], [1.0, 1.0])),
    ],
)
def test_what_is_not_given_is_the_usual_of_colour_and_nothing_for_other_channels(in_chans, mean, std, expected):
    normalise = Normalize.of_channels(in_chans, mean, std, ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6)))
    for numbers, wanted in zip((normalise.mean, normalise.std), expected, strict=True):
        torch.testing.assert_close(numbers.flatten(), torch.tensor(wanted))


def test_its_numbers_are_no_weights():
    assert Normalize([0.5], [0.2], 1).state_dict() == {}


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.5], [0.2, 0.2], r"`mean` must have one number for each of 2 channels, found \[0.5\]"),
        ([0.5, 0.5], [], r"`std` must have one number for each of 2 channels, found \[\]"),
        ([0.5, 0.5], [0.2, 0.0], r"`std` must be positive, found \[0.2, 0.0\]"),
    ],
)
def test_numbers_that_are_none_of_a_channel_are_named(mean, std, message):
    with pytest.raises(ValueError, match=message):
        Normalize(mean, std, 2)


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (2, 3, 4, 4), (2, 4, 4)])
def test_images_of_other_channels_are_refused_where_broadcasting_would_let_them_pass(shape):
    with pytest.raises(ValueError, match=r"`images` must have shape \(B, 2, H, W\), found"):
        Normalize([0.5, 0.5], [0.2, 0.2], 2)(torch.rand(shape))
