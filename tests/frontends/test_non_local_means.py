import math

import numpy as np
import pytest
import torch
from skimage import data
from skimage.restoration import denoise_nl_means

from sparsefront.frontends import NonLocalMeans
from sparsefront.frontends.parts.non_local_means import non_local_means


def by_hand(image, patch_size, search_window, h, weights):
    """The formula, one pixel at a time; image (H, W, C)."""
    margin, reach = patch_size // 2, search_window // 2
    padded = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="reflect")
    height, width, channels = image.shape
    smooth = np.zeros_like(image)
    for r in range(height):
        for c in range(width):
            total, sums = 0.0, np.zeros(channels)
            for i in range(max(0, r - reach), min(height, r + reach + 1)):
                for j in range(max(0, c - reach), min(width, c + reach + 1)):
                    change = (
                        padded[r : r + patch_size, c : c + patch_size] - padded[i : i + patch_size, j : j + patch_size]
                    )
                    weight = math.exp(-(weights[..., None] * change**2).sum() / channels / h**2)
                    total, sums = total + weight, sums + weight * image[i, j]
            smooth[r, c] = sums / total
    return smooth


def gaussian(patch_size):
    places = np.arange(patch_size) - patch_size // 2
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * ((patch_size - 1) / 4) ** 2))
    return weights / weights.sum()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("patch_size", "search_window", "h", "patch_weights"),
    [(3, 5, 0.3, "uniform"), (5, 7, 0.2, "gaussian"), (1, 3, 0.2, "uniform"), (3, 31, 0.5, "uniform")],
)
def test_is_the_formula(patch_size, search_window, h, patch_weights, channels):
    images = torch.rand(2, channels, 8, 9, dtype=torch.float64)
    weights = gaussian(patch_size) if patch_weights == "gaussian" else np.full((patch_size,) * 2, patch_size**-2.0)
    found = non_local_means(images, patch_size, search_window, h, patch_weights).permute(0, 2, 3, 1).numpy()
    for image, smooth in zip(images, found, strict=True):
        expected = by_hand(image.permute(1, 2, 0).numpy(), patch_size, search_window, h, weights)
        np.testing.assert_allclose(smooth, expected, atol=1e-12)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("h", [0.02, 0.05, 0.1])
def test_is_scikit_images_slow_mode_but_for_its_coarse_exponential(channels, h):
    image = data.astronaut()[100:140, 180:230, :channels] / 255
    expected = denoise_nl_means(image, 7, 5, h, fast_mode=False, channel_axis=-1).reshape(image.shape)
    images = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    found = non_local_means(images, 7, 11, h, "gaussian")[0].permute(1, 2, 0).numpy()
    # Its exponential is a table of powers of two, up to 4 % off, and weights below exp(-5) are dropped.
    assert np.abs(found - expected).mean() < 0.03 * np.abs(image - expected).mean()


def test_is_scikit_images_where_all_weights_are_1():
    images = torch.rand(1, 3, 14, 15, dtype=torch.float64)
    expected = denoise_nl_means(images[0].permute(1, 2, 0).numpy(), 5, 4, 1e5, fast_mode=False, channel_axis=-1)
    found = non_local_means(images, 5, 9, 1e5, "gaussian")[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_smooths_noise_and_keeps_what_repeats():
    clean = torch.full((1, 1, 32, 32), 0.2)
    clean[..., ::4] = 0.8
    noisy = clean + 0.05 * torch.randn_like(clean)
    smooth = NonLocalMeans((1, 32, 32), h=0.1)(noisy)
    assert (smooth - clean).square().mean() < 0.3 * (noisy - clean).square().mean()


@pytest.mark.parametrize("patch_weights", ["uniform", "gaussian"])
def test_exact_gradient_agrees_with_finite_differences(patch_weights):
    frontend = NonLocalMeans((2, 6, 7), 3, 5, 0.4, patch_weights)
    images = (0.1 + 0.8 * torch.rand(2, 2, 6, 7, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(frontend.stand_in("exact"), images, fast_mode=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_size": 2}, "`patch_size` must be odd and from 1 to 15 .* found 2"),
        ({"patch_size": 17}, "found 17"),
        ({"search_window": 4}, "`search_window` must be odd and at least 1"),
        ({"search_window": -1}, "found -1"),
        ({"h": 0}, "`h` must be positive"),
        ({"patch_weights": "round"}, "`patch_weights` must be one of .*found 'round'"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        NonLocalMeans((3, 8, 9), **settings)
