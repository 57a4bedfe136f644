import math

import pytest
import torch
from skimage.metrics import structural_similarity

from sparsefront.evaluation.quality import quality


def pair(seed=0, shape=(3, 3, 16, 21)):
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(shape, generator=generator)
    return (images + 0.1 * torch.randn(shape, generator=generator)).clamp(0, 1), images


def test_psnr_is_minus_ten_log_of_the_mean_squared_error_of_each_image():
    seen, images = pair()
    expected = [-10 * math.log10(((a - b) ** 2).mean().item()) for a, b in zip(seen, images, strict=True)]
    torch.testing.assert_close(quality(seen, images)["psnr"], torch.tensor(expected))


def test_ssim_is_the_mean_of_scikit_images_map():
    seen, images = pair()
    expected = [
        structural_similarity(
            a.numpy(), b.numpy(), data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )[1].mean()
        for a, b in zip(seen, images, strict=True)
    ]  # fmt: skip
    torch.testing.assert_close(
        quality(seen, images)["ssim"], torch.tensor(expected).to(images.dtype), atol=1.5e-3, rtol=0
    )


def test_equal_images_have_the_largest_quality():
    _, images = pair()
    found = quality(images, images)
    assert torch.equal(found["psnr"], torch.full((3,), 100.0))
    torch.testing.assert_close(found["ssim"], torch.ones(3))


def test_the_copies_of_an_image_count_by_their_mean():
    seen, images = pair()
    other = pair(seed=1)[0]
    both = torch.stack([seen, other], dim=1).flatten(0, 1)
    first, second, mean = quality(seen, images), quality(other, images), quality(both, images)
    for name in ("psnr", "ssim"):
        torch.testing.assert_close(mean[name], (first[name] + second[name]) / 2)


@pytest.mark.parametrize("side", [4, 10])
def test_ssim_is_unknown_where_its_window_does_not_fit(side):
    seen, images = pair(shape=(2, 1, side, 16))
    found = quality(seen, images)
    assert found["psnr"].isfinite().all()
    assert found["ssim"].isnan().all()
