import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.figures.pixels import thin, to_rgb


def test_large_pictures_keep_their_values_when_thinned():
    images = np.arange(300.0)[None, None, None].repeat(224, axis=2)
    assert thin(images).shape == (1, 1, 75, 100)
    assert thin(images)[0, 0, 0, :3].tolist() == [0, 3, 6]
    assert to_rgb(np.full((1, 1, 2, 2), 1.5)).max() == 1


@given(channels=st.integers(1, 5), height=st.integers(1, 300), width=st.integers(1, 300))
def test_no_side_of_a_thinned_picture_exceeds_112_and_its_values_are_the_pictures(channels, height, width):
    image = np.arange(float(channels * height * width)).reshape(1, channels, height, width)
    thinned = thin(image)
    rows, columns = thinned.shape[2:]
    assert max(rows, columns) <= 112
    step = -(-max(height, width) // 112)
    expected = [[image[0, -1, step * row, step * column] for column in range(columns)] for row in range(rows)]
    assert thinned[0, -1].tolist() == expected
    assert (step * rows >= height) & (step * columns >= width)


@given(channels=st.integers(1, 5), height=st.integers(1, 6), width=st.integers(1, 6), seed=st.integers(0, 9))
def test_three_channels_are_colours_and_others_their_mean(channels, height, width, seed):
    images = np.random.default_rng(seed).uniform(-0.5, 1.5, (2, channels, height, width))
    pixels = to_rgb(images)
    assert pixels.shape == (2, height, width, 3)
    for place in np.ndindex(2, height, width, 3):
        image, row, column, colour = place
        values = images[image, :, row, column]
        wanted = values[colour] if channels == 3 else values.sum() / channels
        assert pixels[place] == pytest.approx(min(max(wanted, 0), 1))
