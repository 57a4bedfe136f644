import cv2
import kornia
import numpy as np
import pytest
import torch

from sparsefront.frontends import Bilateral
from sparsefront.frontends.parts.bilateral_filter import bilateral_filter
from sparsefront.frontends.parts.shifts import half_window, pairs

SETTINGS = [(9, 0.2, 3.0), (5, 0.05, 1.0), (3, 1.0, 10.0)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
def test_is_opencvs_filter_in_a_disc_window_with_the_l1_distance(channels, settings):
    images = torch.rand(2, channels, 20, 23)
    filtered = bilateral_filter(images, *settings).permute(0, 2, 3, 1).numpy()
    for image, found in zip(images, filtered, strict=True):
        stored = np.ascontiguousarray(image.permute(1, 2, 0).float().numpy())  # what OpenCV takes
        expected = cv2.bilateralFilter(stored, *settings, borderType=cv2.BORDER_REFLECT_101).reshape(20, 23, channels)
        np.testing.assert_allclose(found, expected, atol=2e-6)  # OpenCV looks its exponentials up in a table


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_is_kornias_filter_in_a_square_window(settings, distance):
    images = torch.rand(2, 3, 13, 20)
    diameter, color, space = settings
    expected = kornia.filters.bilateral_blur(
        images, (diameter, diameter), color, (space, space), color_distance_type=distance
    )
    torch.testing.assert_close(bilateral_filter(images, *settings, "square", distance), expected, atol=2e-6, rtol=0)


def test_keeps_an_edge_that_a_gaussian_blurs():
    images = torch.zeros(1, 1, 16, 16)
    images[..., 8:] = 1.0
    frontend = Bilateral((1, 16, 16), sigma_color=0.1)
    torch.testing.assert_close(frontend(images), images)
    assert (Bilateral((1, 16, 16), sigma_color=100.0)(images) - images).abs().max() > 0.3


@pytest.mark.parametrize(("window", "distance"), [("disc", "l1"), ("square", "l2")])
def test_exact_gradient_agrees_with_finite_differences(window, distance):
    frontend = Bilateral((3, 6, 7), 5, 0.3, 1.5, window, distance)
    images = (0.1 + 0.8 * torch.rand(2, 3, 6, 7, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(frontend.stand_in("exact"), images, fast_mode=True)


def saved_numbers(frontend, images):
    """Elements that autograd keeps for the backward pass."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        frontend(images.requires_grad_())
    return sum(kept)


def test_what_autograd_keeps_does_not_grow_with_the_window():
    images = torch.rand(2, 3, 40, 40)
    small, large = (saved_numbers(Bilateral((3, 40, 40), diameter), images) for diameter in (3, 25))
    assert large < 3 * small  # of the mirrored border alone; the window has 50 times the pixels


def test_runs_of_images_that_fit_the_cache_change_nothing(monkeypatch):
    images = torch.rand(5, 3, 12, 12)
    whole = bilateral_filter(images, 5, 0.2, 2.0)
    monkeypatch.setattr("sparsefront.frontends.parts.shifts._CACHE", 2 * images[0].numel() * 4 * 2)
    assert torch.equal(bilateral_filter(images, 5, 0.2, 2.0), whole)


@pytest.mark.parametrize("disc", [True, False])
def test_half_a_window_and_its_mirror_image_are_the_window_without_its_centre(disc):
    half = list(half_window(4, disc=disc))
    both = half + [(-rows, -columns) for rows, columns in half]
    square = {(rows, columns) for rows in range(-4, 5) for columns in range(-4, 5)} - {(0, 0)}
    expected = {(r, c) for r, c in square if r * r + c * c <= 16} if disc else square
    assert len(both) == len(set(both))
    assert set(both) == expected


def test_pairs_are_the_pixels_an_offset_apart():
    image = torch.arange(20.0).reshape(1, 1, 4, 5)
    here, there = pairs(image, (1, -2))
    torch.testing.assert_close(there - here, torch.full((1, 1, 3, 3), 5.0 - 2.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"diameter": 4}, "`diameter` must be odd and from 1 to 15 .* found 4"),
        ({"diameter": 17}, "found 17"),
        ({"sigma_color": 0.0}, "`sigma_color` must be positive"),
        ({"sigma_space": -1.0}, "`sigma_space` must be positive and finite, found -1; it is in pixels"),
        ({"window": "round"}, "`window` must be one of .*disc.*found 'round'"),
        ({"distance": "l3"}, "`distance` must be one of .*found 'l3'"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        Bilateral((3, 8, 9), **settings)
