import pytest
import torch
from torch.nn import functional as F

from sparsefront.data.loading.augment import Augment


def crops(image, flips):
    padded = F.pad(image, (4, 4, 4, 4))
    height, width = image.shape[-2:]
    windows = [padded[:, i : i + height, j : j + width] for i in range(9) for j in range(9)]
    return windows + [window.flip(-1) for window in windows if flips]


@pytest.mark.parametrize(("kind", "flips"), [("crop", False), ("crop_flip", True)])
def test_each_image_becomes_one_of_its_own_padded_crops(kind, flips):
    images = torch.rand(24, 3, 10, 12)
    augmented = Augment(kind, (10, 12))(images, 0, 0)
    for image, result in zip(images, augmented, strict=True):
        assert any(torch.equal(result, crop) for crop in crops(image, flips))


def test_half_of_the_images_are_flipped_and_offsets_are_uniform():
    column = torch.arange(1, 17.0).repeat(4000, 1, 16, 1) / 16  # the pixel's column tells offset and direction
    augmented = Augment("crop_flip", (16, 16))(column, 5)
    middle = augmented[:, 0, 8]
    flipped = middle[:, 7] > middle[:, 8]
    assert abs(flipped.float().mean() - 0.5) < 0.03
    offsets = (middle[~flipped, 7] * 16).round().long() - 4
    counts = torch.bincount(offsets, minlength=9)
    assert len(counts) == 9
    assert (counts / counts.sum() - 1 / 9).abs().max() < 0.03


def test_samples_are_drawn_apart_and_seeds_repeat_the_draws():
    same = torch.rand(1, 3, 16, 16).expand(32, -1, -1, -1)
    augment = Augment("crop_flip", (16, 16))
    one = augment(same, 0, 1, 2)
    assert len({image.numpy().tobytes() for image in one}) > 16
    assert torch.equal(one, augment(same, 0, 1, 2))
    assert not torch.equal(one, augment(same, 0, 1, 3))


def test_drawing_leaves_the_global_random_state():
    torch.manual_seed(0)
    state = torch.get_rng_state()
    for kind in ("crop_flip", "resized_crop_flip"):
        Augment(kind, (8, 8))(torch.rand(4, 1, 8, 8, generator=torch.Generator()), 1)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_resized_crop_stays_in_range_and_keeps_the_shape():
    augmented = Augment("resized_crop_flip", (8, 12))(torch.rand(16, 3, 8, 12).round(), 0)
    assert augmented.shape == (16, 3, 8, 12)
    assert augmented.min() >= 0
    assert augmented.max() <= 1
    constant = torch.full((16, 3, 8, 12), 0.25)
    assert torch.allclose(Augment("resized_crop_flip", (8, 12))(constant, 0), constant)


def test_none_changes_nothing():
    images = torch.rand(4, 1, 8, 8)
    assert torch.equal(Augment("none", (8, 8))(images, 0), images)
