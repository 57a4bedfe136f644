import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label

from sparsefront.frontends.parts.components import bounding_box, fill_holes, label_components, largest_component
from sparsefront.frontends.parts.localisation import check_localisation, object_region, otsu


@st.composite
def masks(draw):
    shape = draw(st.integers(0, 4)), 1, draw(st.integers(1, 30)), draw(st.integers(1, 30))
    share = draw(st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.8, 1.0]))
    return torch.rand(shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))) < share


def spiral(side):
    """One component that a search by neighbours needs many steps for."""
    mask = torch.zeros(1, 1, side, side, dtype=torch.bool)
    (row, column), (down, right) = (0, 0), (0, 1)
    mask[0, 0, 0, 0] = True

    def free(r, c):
        return 0 <= r < side and 0 <= c < side and not mask[0, 0, r, c]

    while True:
        ahead, far = (row + down, column + right), (row + 2 * down, column + 2 * right)
        if not free(*ahead) or (0 <= far[0] < side and 0 <= far[1] < side and mask[0, 0, far[0], far[1]]):
            down, right = right, -down
            ahead, far = (row + down, column + right), (row + 2 * down, column + 2 * right)
            if not free(*ahead) or (0 <= far[0] < side and 0 <= far[1] < side and mask[0, 0, far[0], far[1]]):
                return mask
        row, column = ahead
        mask[0, 0, row, column] = True


@settings(max_examples=40, deadline=None)
@given(masks(), st.booleans())
def test_components_are_scikit_images(mask, diagonal):
    labels, areas = label_components(mask, diagonal=diagonal)
    seen = set()
    for one, found in zip(mask[:, 0].numpy(), labels[:, 0].numpy(), strict=True):
        expected = label(one, connectivity=2 if diagonal else 1)
        pairs = set(zip(expected.ravel().tolist(), found.ravel().tolist(), strict=True))
        assert len(pairs) == len(set(expected.ravel())) == len(set(found.ravel()))
        mine = {number for place, number in pairs if place}
        assert not mine & seen
        seen |= mine
        assert all(areas[number] == (found == number).sum() for number in mine)
        assert (found[one == 0] == -1).all()


def test_a_spiral_is_one_component():
    mask = spiral(41)
    assert label(mask[0, 0].numpy()).max() == 1
    assert label_components(mask, diagonal=False)[0][mask].unique().numel() == 1
    assert torch.equal(largest_component(mask), mask)


@settings(max_examples=40, deadline=None)
@given(masks())
def test_largest_component_holes_and_box_are_those_found_image_by_image(mask):
    largest, filled, box = largest_component(mask)[:, 0], fill_holes(mask)[:, 0], bounding_box(mask)[:, 0]
    for place, one in enumerate(mask[:, 0].numpy()):
        expected = label(one, connectivity=2)
        areas = np.bincount(expected.ravel())[1:]
        assert (largest[place].numpy() == ((expected == areas.argmax() + 1) if len(areas) else one)).all()
        assert (filled[place].numpy() == ndimage.binary_fill_holes(one)).all()
        around = np.zeros_like(one)
        if one.any():
            rows, columns = one.nonzero()
            around[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        assert (box[place].numpy() == around).all()


@pytest.mark.parametrize("spread", [1.0, 1e-3])
def test_otsus_threshold_is_scikit_images(spread):
    values = spread * torch.rand(5, 1, 30, 40, dtype=torch.float64) ** torch.arange(1, 6)[:, None, None, None]
    expected = [threshold_otsu(value[0].numpy()) for value in values]
    np.testing.assert_allclose(otsu(values).flatten().numpy(), expected, rtol=1e-9)


def test_values_that_are_not_numbers_spoil_their_own_threshold_alone():
    values = torch.rand(2, 1, 6, 6)
    values[1, 0, 3, 3] = torch.nan
    thresholds = otsu(values)
    assert thresholds[1].isnan()
    assert torch.equal(thresholds[:1], otsu(values[:1]))


def step_by_step(image, closing, opening, shape):
    """The same steps on one (C, H, W) image with OpenCV, scikit-image and SciPy."""
    gray = image.mean(dim=0).numpy()
    across, down = (cv2.Sobel(gray, cv2.CV_64F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    gradient = np.maximum(np.abs(across) - np.abs(down), 0)
    mask = (gradient > threshold_otsu(gradient)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((closing, closing), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((opening, opening), np.uint8))
    if shape == "mask":
        return ndimage.binary_fill_holes(mask)
    left, top, width, height = cv2.boundingRect(mask)
    box = np.zeros(mask.shape, dtype=bool)
    box[top : top + height, left : left + width] = True
    return box


@pytest.mark.parametrize("shape", ["mask", "box"])
@pytest.mark.parametrize("size", [(3, 61, 83), (1, 30, 28)])
def test_region_is_that_of_opencv_and_scikit_image(size, shape):
    images = torch.rand(3, *size, dtype=torch.float64) ** 4
    images[..., size[1] // 2 :, :] *= 0.05
    regions = object_region(images, closing=0.1, opening=0.17, shape=shape)
    closing, opening = {61: (7, 11), 30: (3, 5)}[size[1]]
    expected = [step_by_step(image, closing, opening, shape) for image in images]
    assert (regions[:, 0].numpy() == np.stack(expected)).all()
    assert 0.05 < regions.double().mean() < 0.95


def striped_squares():
    """Upright stripes in two places on a flat image, one larger."""
    image = torch.full((1, 3, 64, 64), 0.5)
    image[..., 10:40, 8:38:4] = 1.0
    image[..., 50:58, 48:60:4] = 1.0
    return image


def test_what_has_upright_edges_is_found_and_what_has_level_ones_is_not():
    image = striped_squares()
    region = object_region(image)[0, 0]
    assert region[12:38, 10:36].all()
    assert region[52:56, 50:58].all()
    assert region.float().mean() < 0.35
    assert not object_region(image, keep="largest")[0, 0, 45:].any()
    assert not object_region(image.mT, closing=0.0, threshold=0.5)[0, 0, 15:30, 12:38].any()


def test_an_image_does_not_move_the_threshold_of_another():
    images = torch.rand(3, 3, 40, 40) * torch.tensor([1.0, 0.1, 0.01])[:, None, None, None]
    apart = torch.cat([object_region(image[None]) for image in images])
    assert torch.equal(object_region(images), apart)
    assert apart.any(dim=(1, 2, 3)).all()


def test_a_number_and_the_mean_are_other_thresholds():
    images = torch.rand(2, 3, 40, 40)
    regions = [object_region(images, threshold, 0.0, 0.0).float().mean() for threshold in (0.0, "mean", "otsu", 4.0)]
    assert regions[0] > regions[1] > regions[2] > regions[3] == 0


def test_nothing_is_found_in_a_flat_image():
    assert not object_region(torch.full((2, 3, 30, 30), 0.3)).any()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        (("otso", 0.1, 0.1, "all"), "`threshold` must be otsu, mean or a number >= 0, found 'otso'"),
        ((-1.0, 0.1, 0.1, "all"), "found -1.0"),
        (("otsu", 1.0, 0.1, "all"), r"`closing` must be a share of the image's side in \[0, 1\), found 1"),
        (("otsu", 0.1, -0.1, "all"), "`opening` must be a share"),
        (("otsu", 0.1, 0.1, "most"), "`keep` must be one of .*found 'most'"),
    ],
)
def test_a_setting_out_of_range_is_named(settings_, message):
    with pytest.raises(ValueError, match=message):
        check_localisation(*settings_)
