import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from sparsefront.frontends import JPEG
from sparsefront.frontends.parts.jpeg_tables import fixed_point_dct, quantisation_tables

turbo = pytest.mark.skipif(not features.check_feature("libjpeg_turbo"), reason="another libjpeg rounds otherwise")


def pictures(shape, kind, seed=0):
    """Two images of whole 255ths: noise, which fills all coefficients, or smooth, which meets ties."""
    generator = torch.Generator().manual_seed(seed)
    if kind == "noise":
        images = torch.rand(2, *shape, generator=generator)
    else:
        coarse = torch.rand(2, shape[0], 3, 3, generator=generator)
        images = torch.nn.functional.interpolate(coarse, size=shape[1:], mode="bicubic").clamp(0, 1)
    return (255 * images).round() / 255


def through_pillow(image, quality, subsampling):
    array = (255 * image).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(
        file, "JPEG", quality=quality, subsampling=subsampling
    )
    decoded = np.atleast_3d(np.asarray(Image.open(file)))
    return torch.from_numpy(decoded.copy()).permute(2, 0, 1) / 255


@turbo
@settings(max_examples=40, deadline=None)
@given(
    channels=st.sampled_from([1, 3]),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    quality=st.integers(1, 100),
    subsampling=st.sampled_from(["4:2:0", "4:4:4"]),
    kind=st.sampled_from(["noise", "smooth"]),
    seed=st.integers(0, 99),
)
def test_every_pixel_is_pillows(channels, height, width, quality, subsampling, kind, seed):
    shape = (channels, height, width)
    images = pictures(shape, kind, seed)
    frontend = JPEG(shape, quality=quality, subsampling=subsampling)
    expected = torch.stack([through_pillow(image, quality, subsampling) for image in images])
    assert torch.equal(frontend(images), expected)


@turbo
def test_half_precision_sees_the_same_file():
    # float16 holds 255ths to a small part of a step, so that rounding finds the same pixels.
    images = pictures((3, 24, 20), "smooth")
    expected = through_pillow(images[0], 75, "4:2:0").half()
    assert torch.equal(JPEG((3, 24, 20)).half()(images.half())[0], expected)


def test_tables_are_the_standards_at_50_and_ones_at_100():
    assert quantisation_tables(50)[0, 0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert quantisation_tables(50)[1, 0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]
    assert (quantisation_tables(100) == 1).all()
    assert quantisation_tables(75)[0, 0, 0] == 8
    assert quantisation_tables(1).max() == 255


def test_fixed_point_transform_is_the_cosine_transform_within_one_unit():
    exact = torch.tensor(
        [
            [(2**13 if k == 0 else math.sqrt(2) * 2**13) * math.cos(math.pi * k * (2 * n + 1) / 16) for n in range(8)]
            for k in range(8)
        ]
    )
    assert (fixed_point_dct() - exact).abs().max() < 1.5


def test_smooth_gradient_is_the_cubic_of_shin_and_song():
    """A gray block of one value: its DC coefficient u alone moves, by 1/64 of 8 u for each pixel."""
    frontend = JPEG((1, 8, 8))
    images = torch.full((1, 1, 8, 8), 100 / 255, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(frontend.stand_in("smooth")(images).sum(), images)
    u = 8 * (100 - 128) / frontend.tables[0, 0].item()
    # 255 in and 255 out cancel; the sum of the pixels' moves is the mean's move times 64, over 64 pixels. The 13-bit
    # constants leave the higher frequencies of the sum out to four digits.
    assert gradient.mean().item() == pytest.approx(3 * (u - round(u)) ** 2, abs=2e-3)


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_smooth_gradient_is_near_one_at_quality_100_where_u_is_between_integers(shape):
    # With tables of ones u - [u] is spread evenly, so that 3 (u - [u])^2 is 1/4 on the average.
    images = torch.rand(4, *shape, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25
    images.requires_grad_()
    frontend = JPEG(shape, quality=100, subsampling="4:4:4")
    weights = torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(frontend.stand_in("smooth")(images), images, weights)
    assert (gradient * weights).sum() / (weights**2).sum() == pytest.approx(0.25, abs=0.05)


def test_exact_gradient_is_zero():
    images = torch.rand(2, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(JPEG((3, 16, 16)).stand_in("exact")(images).sum(), images)
    assert (gradient == 0).all()


def test_images_of_another_size_are_compressed_too():
    assert JPEG((3, 16, 16))(torch.rand(1, 3, 9, 21)).shape == (1, 3, 9, 21)


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"image_shape": (2, 8, 8)}, "`image_shape` of JPEG must have 1 or 3 channels, found 2"),
        ({"quality": 0}, "`quality` must be from 1 to 100, found 0"),
        ({"quality": 101}, "`quality` must be from 1 to 100, found 101"),
        ({"subsampling": "4:2:2"}, "`subsampling` must be one of 4:2:0, 4:4:4, found '4:2:2'"),
    ],
)
def test_a_bad_setting_is_named(settings_, sentence):
    with pytest.raises(ValueError, match=sentence):
        JPEG(**{"image_shape": (3, 8, 8), **settings_})
