"""The filters that weight neighbours or frequencies: mean, Gaussian, low-pass."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.functional import gaussian_blur

from sparsefront.frontends import GaussianBlur, LowPassFilter, MeanFilter

sides = st.integers(6, 15)


def noise(height, width, seed=0, channels=2):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, height, width, generator=generator, dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 6), height=sides, width=sides, seed=st.integers(0, 99))
def test_mean_is_scipys_uniform_filter(size, height, width, seed):
    images = noise(height, width, seed)
    expected = scipy.ndimage.uniform_filter(images.numpy(), size=(1, 1, size, size), mode="reflect")
    torch.testing.assert_close(MeanFilter((2, height, width), size)(images), torch.from_numpy(expected))


@settings(max_examples=20, deadline=None)
@given(sigma=st.floats(0.1, 1.5), truncate=st.sampled_from([2.0, 4.0]), height=sides, width=sides)
def test_blur_is_scipys_gaussian_filter(sigma, truncate, height, width):
    images = noise(height, width)
    expected = scipy.ndimage.gaussian_filter(images.numpy(), (0, 0, sigma, sigma), mode="reflect", truncate=truncate)
    blurred = GaussianBlur((2, height, width), sigma, truncate)(images)
    torch.testing.assert_close(blurred, torch.from_numpy(expected))


def test_blur_is_torchvisions_away_from_the_border():
    images = noise(20, 17)
    blurred = GaussianBlur((2, 20, 17), sigma=1.0, truncate=3.0)(images)
    inner = (..., slice(3, -3), slice(3, -3))
    torch.testing.assert_close(blurred[inner], gaussian_blur(images, [7, 7], [1.0, 1.0])[inner])


FILTERS = [MeanFilter((1, 15, 15), size) for size in range(1, 10)]
FILTERS += [GaussianBlur((1, 15, 15), 0.1 * tenths) for tenths in range(2, 20)]


def test_white_stays_in_range_and_keeps_its_gradient():
    white = torch.ones(1, 1, 15, 15, requires_grad=True)
    for frontend in FILTERS:
        out = frontend(white)
        assert out.max() <= 1
        (gradient,) = torch.autograd.grad(out.sum(), white)
        torch.testing.assert_close(gradient.sum(), torch.tensor(225.0))


@pytest.mark.parametrize("shape", ["ideal", "gaussian"])
@settings(max_examples=10, deadline=None)
@given(cutoff=st.floats(0.05, 1.41), height=sides, width=sides)
def test_low_pass_is_a_mask_on_scipys_cosine_transform(shape, cutoff, height, width):
    images = noise(height, width)
    u, v = np.arange(height)[:, None] / height, np.arange(width) / width
    frequency = np.sqrt(u**2 + v**2)
    if np.abs(frequency - cutoff).min() < 1e-9:
        return  # on the very edge rounding decides
    mask = frequency <= cutoff if shape == "ideal" else 0.5 ** ((frequency / cutoff) ** 2)
    spectrum = scipy.fft.dctn(images.numpy(), axes=(2, 3), norm="ortho")
    expected = scipy.fft.idctn(mask * spectrum, axes=(2, 3), norm="ortho").clip(0, 1)
    filtered = LowPassFilter((2, height, width), cutoff, shape)(images)
    torch.testing.assert_close(filtered, torch.from_numpy(expected), atol=1e-12, rtol=1e-12)


def test_low_pass_is_the_fourier_filter_of_the_mirrored_image():
    images = noise(8, 6)
    mirrored = np.concatenate([images.numpy(), images.flip(-2).numpy()], axis=-2)
    mirrored = np.concatenate([mirrored, mirrored[..., ::-1]], axis=-1)
    # In cycles a pixel; half a cycle is the unit.
    frequency = 2 * np.hypot(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(12))
    expected = np.fft.ifft2(np.fft.fft2(mirrored) * (frequency <= 0.7)).real[..., :8, :6].clip(0, 1)
    torch.testing.assert_close(LowPassFilter((2, 8, 6), 0.7)(images), torch.from_numpy(expected))


def test_low_pass_keeps_a_low_wave_removes_a_high_one_and_at_sqrt_2_keeps_all():
    pixel = torch.arange(16, dtype=torch.float64) + 0.5
    low, high = (0.5 + 0.4 * torch.cos(math.pi * k * pixel / 16).expand(1, 1, 16, 16) for k in (4, 12))
    torch.testing.assert_close(LowPassFilter((1, 16, 16), 0.5)(low), low)
    torch.testing.assert_close(LowPassFilter((1, 16, 16), 0.5)(high), torch.full_like(high, 0.5))
    images = noise(16, 16)
    torch.testing.assert_close(LowPassFilter((2, 16, 16), math.sqrt(2))(images), images)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: MeanFilter((1, 5, 8), 0), "`kernel_size` must be from 1 to the image's smaller side 5, found 0"),
        (lambda: MeanFilter((1, 5, 8), 6), "`kernel_size` must be from 1 to the image's smaller side 5, found 6"),
        (lambda: GaussianBlur((1, 5, 8), 0.0), "`sigma` must be positive and finite, found 0"),
        (lambda: GaussianBlur((1, 5, 8), math.nan), "`sigma` must be positive and finite, found nan"),
        (lambda: GaussianBlur((1, 5, 8), 1.0, 0.0), "`truncate` must be positive and finite, found 0"),
        (lambda: GaussianBlur((1, 5, 8), 2.0), "must be at most the image's smaller side 5, found 8"),
        (lambda: LowPassFilter((1, 5, 8), 0.0), "`cutoff` must be above 0 and at most sqrt"),
        (lambda: LowPassFilter((1, 5, 8), 1.5), "found 1.5; 1 is half a cycle a pixel"),
        (lambda: LowPassFilter((1, 5, 8), shape="round"), "`shape` must be one of ideal, gaussian, found 'round'"),
    ],
)
def test_a_bad_setting_is_named(build, sentence):
    with pytest.raises(ValueError, match=sentence):
        build()
