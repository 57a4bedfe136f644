"""Patches and images of patches, against plain loops over slices."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode import average_patches, extract_patches, sample_patches

sides = st.integers(4, 9)
any_shape = given(st.integers(1, 3), sides, sides, st.integers(1, 4), st.integers(1, 5))
no_gaps = given(st.integers(1, 3), sides, sides, st.integers(1, 4), st.data())


def starts(side, size, stride, cover):
    on_grid = list(range(0, side - size + 1, stride))
    return on_grid + [side - size] * (cover and on_grid[-1] != side - size)


@pytest.mark.parametrize("cover", [False, True])
@settings(max_examples=25, deadline=None)
@any_shape
def test_patches_are_the_slices(cover, channels, height, width, size, stride):
    images = torch.rand(2, channels, height, width)
    rows, columns = starts(height, size, stride, cover), starts(width, size, stride, cover)
    slices = [images[:, :, r : r + size, c : c + size].flatten(1) for r in rows for c in columns]
    assert torch.equal(extract_patches(images, size, stride, cover=cover), torch.stack(slices, dim=1))


@settings(max_examples=50, deadline=None)
@no_gaps
def test_a_pixel_is_the_mean_of_the_patches_that_hold_it(channels, height, width, size, data):
    stride = data.draw(st.integers(1, size))
    rows, columns = starts(height, size, stride, True), starts(width, size, stride, True)
    patches = torch.rand(2, len(rows) * len(columns), channels * size**2, dtype=torch.float64)
    sums, counts = torch.zeros(2, channels, height, width, dtype=torch.float64), torch.zeros(height, width)
    for p, (r, c) in enumerate((r, c) for r in rows for c in columns):
        sums[:, :, r : r + size, c : c + size] += patches[:, p].view(2, channels, size, size)
        counts[r : r + size, c : c + size] += 1
    torch.testing.assert_close(average_patches(patches, (height, width), size, stride), sums / counts)


@settings(max_examples=50, deadline=None)
@no_gaps
def test_averaging_the_patches_of_an_image_gives_it_back_up_to_its_border(channels, height, width, size, data):
    stride = data.draw(st.integers(1, size))
    images = torch.rand(2, channels, height, width)
    patches = extract_patches(images, size, stride, cover=True)
    torch.testing.assert_close(average_patches(patches, (height, width), size, stride), images, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_and_strided_images_are_cut_and_rebuilt(dtype):
    images = torch.rand(2, 8, 7, 3).to(dtype).permute(0, 3, 1, 2)
    patches = extract_patches(images, 4, 3, cover=True)
    rebuilt = average_patches(patches, (8, 7), 4, 3)
    assert patches.dtype == rebuilt.dtype == dtype
    torch.testing.assert_close(rebuilt, images, rtol=1e-6, atol=0)


def test_cutting_and_averaging_are_differentiable():
    images = torch.rand(1, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    patches = torch.rand(1, 6, 18, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: extract_patches(x, 3, 2, cover=True), images)
    assert torch.autograd.gradcheck(lambda p: average_patches(p, (5, 6), 3, 2), patches)


@pytest.mark.parametrize(
    ("shape", "size", "stride", "message"),
    [
        ((1, 3, 3), 2, 1, r"of shape \(B"),
        ((1, 1, 3, 5), 4, 1, "must not exceed"),
        ((1, 1, 3, 3), 2, 0, "at least 1"),
    ],
)
def test_patches_that_cannot_be_cut_are_named(shape, size, stride, message):
    with pytest.raises(ValueError, match=message):
        extract_patches(torch.zeros(shape), size, stride)
    with pytest.raises(ValueError, match=message):
        sample_patches(torch.zeros(shape), size, stride, 1, torch.Generator())


@pytest.mark.parametrize(
    ("shape", "size", "stride", "message"),
    [
        ((1, 4, 4), 2, 3, "`stride` must be at most `patch_size` = 2, found 3"),
        ((1, 4, 9), 3, 2, r"`patches` must have shape \(B, 6, C \* 9\) to cover 5 x 6 .*`cover=True`"),
        ((1, 6, 10), 3, 2, r"found \(1, 6, 10\)"),
        ((6, 9), 3, 2, r"found \(6, 9\)"),
        ((1, 1, 36), 6, 1, "must not exceed"),
    ],
)
def test_patches_that_do_not_cover_the_image_are_named(shape, size, stride, message):
    with pytest.raises(ValueError, match=message):
        average_patches(torch.zeros(shape), (5, 6), size, stride)


def rows(tensor):
    return {tuple(row) for row in tensor.tolist()}


@settings(max_examples=25, deadline=None)
@any_shape
def test_drawn_patches_are_those_cut_that_are_not_empty_each_at_most_once(channels, height, width, size, stride):
    images = 0.1 + 0.9 * torch.rand(3, channels, height, width)  # what is nearly black counts as empty
    images[1] = 0
    full = extract_patches(images[[0, 2]], size, stride).flatten(0, 1)
    drawn = sample_patches(images, size, stride, 10_000, torch.Generator())
    assert len(drawn) == len(full)
    assert rows(drawn) == rows(full)
    few = sample_patches(images, size, stride, 2, torch.Generator())
    assert torch.equal(few, drawn[:2])


def test_the_same_seed_draws_the_same_patches():
    images = torch.rand(3, 3, 8, 8)
    one, same, other = (sample_patches(images, 4, 2, 9, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert sample_patches(0 * images, 4, 2, 9, torch.Generator()).shape == (0, 48)
