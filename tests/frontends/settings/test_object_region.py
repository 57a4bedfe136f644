import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from sparsefront.frontends.settings import ObjectRegion

QUIET = {"closing": 0.0, "opening": 0.0}


def stripes():
    """Upright edges in rows 4 to 11 and columns 5 to 14 of a grey image."""
    image = torch.full((1, 1, 16, 20), 0.5)
    image[..., 4:12, 5:15] = torch.tensor([0.0, 0.0, 1.0, 1.0, 1.0] * 2)
    return image


def by_scipy(image, threshold):
    """Where upright edges are stronger than level ones by more than the threshold, holes filled; without morphology."""
    gray = image.numpy().mean(axis=0)
    across, down = (np.abs(ndimage.sobel(gray, axis=axis, mode="mirror")) for axis in (1, 0))
    return ndimage.binary_fill_holes(np.maximum(across - down, 0) > threshold)


@pytest.mark.parametrize("threshold", [0.5, 1.5])
def test_a_mask_is_where_upright_edges_are_strong(threshold):
    region = ObjectRegion(threshold=threshold, **QUIET).find(stripes())
    assert region.dtype == torch.bool
    np.testing.assert_array_equal(region[0, 0], by_scipy(stripes()[0], threshold))


def test_a_box_is_the_smallest_around_the_mask():
    (rows, columns) = np.nonzero(by_scipy(stripes()[0], 0.5))
    box = np.zeros((16, 20), dtype=bool)
    box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    np.testing.assert_array_equal(ObjectRegion(shape="box", threshold=0.5, **QUIET).find(stripes())[0, 0], box)


@given(size=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 9), st.integers(2, 9)))
def test_all_of_an_image_is_its_region_where_all_is_asked_for(size):
    region = ObjectRegion(shape="all").find(torch.rand(size))
    assert region.shape == (size[0], 1, *size[2:])
    assert region.all()


@pytest.mark.parametrize(("fallback", "covered"), [("all", True), ("none", False)])
def test_an_image_in_which_nothing_is_found_is_coded_whole_or_not_and_no_batch_mate_decides(fallback, covered):
    images = torch.cat([torch.full((1, 1, 16, 20), 0.3), stripes()])
    settings = ObjectRegion(threshold=0.5, fallback=fallback, **QUIET)
    region = settings.find(images)
    assert region[0].all() == region[0].any() == covered
    assert torch.equal(region[1:], settings.find(stripes()))
    assert not region[1].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": "circle"}, "`shape` must be one of mask, box, all, found 'circle'"),
        ({"fallback": "some"}, "`fallback` must be one of all, none, found 'some'"),
        ({"threshold": "best"}, "`threshold` must be otsu, mean or a number >= 0, found 'best'"),
        ({"closing": 1.0}, r"`closing` must be a share of the image's side in \[0, 1\), found 1"),
        ({"opening": -0.1}, r"`opening` must be a share of the image's side in \[0, 1\), found -0.1"),
        ({"keep": "smallest"}, "`keep` must be one of largest, all, found 'smallest'"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ObjectRegion(**settings)
