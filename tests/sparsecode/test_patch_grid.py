import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode import PatchGrid, average_patches, cut_patches, extract_patches, paste_patches


@st.composite
def grids(draw):
    """Images, a patch size and a stride that fit, and some of the grid's patches."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    size, channels = (draw(st.integers(3, 14)), draw(st.integers(3, 14))), draw(st.integers(1, 3))
    patch_size = draw(st.integers(1, min(size)))
    stride = draw(st.integers(1, patch_size))
    images = torch.rand(draw(st.integers(1, 3)), channels, *size, generator=generator, dtype=torch.float64)
    grid = PatchGrid(images, patch_size, stride)
    chosen = torch.rand(len(images), len(grid.rows), len(grid.columns), generator=generator) < 0.4
    return images, patch_size, stride, grid, chosen


@settings(max_examples=30, deadline=None)
@given(grids())
def test_the_patches_are_those_that_cover_the_image(case):
    images, patch_size, stride, grid, chosen = case
    every = extract_patches(images, patch_size, stride, cover=True)
    assert torch.equal(cut_patches(images, grid.places(chosen), patch_size), every[chosen.flatten(1)])


@settings(max_examples=30, deadline=None)
@given(grids())
def test_pasting_is_the_adjoint_of_cutting(case):
    images, patch_size, _, grid, chosen = case
    places = grid.places(chosen)
    patches = torch.randn(len(places), images.shape[1] * patch_size**2, dtype=torch.float64)
    pasted = paste_patches(patches, places, images.shape)
    assert pasted.shape == images.shape
    torch.testing.assert_close((pasted * images).sum(), (patches * cut_patches(images, places, patch_size)).sum())


@settings(max_examples=30, deadline=None)
@given(grids())
def test_all_patches_pasted_over_their_number_are_the_averaged_ones(case):
    images, patch_size, stride, grid, chosen = case
    every = torch.ones_like(chosen)
    patches = torch.randn(every.sum(), images.shape[1] * patch_size**2, dtype=torch.float64)
    averaged = average_patches(patches.unflatten(0, (len(images), -1)), tuple(images.shape[2:]), patch_size, stride)
    pasted = paste_patches(patches, grid.places(every), images.shape)
    torch.testing.assert_close(pasted / grid.coverage(every), averaged)


@settings(max_examples=30, deadline=None)
@given(grids(), st.integers(0, 99))
def test_coverage_counts_and_touching_finds(case, seed):
    images, patch_size, _, grid, chosen = case
    ones = torch.ones(int(chosen.sum()), images.shape[1] * patch_size**2, dtype=torch.float64)
    assert torch.equal(grid.coverage(chosen), paste_patches(ones, grid.places(chosen), images.shape)[:, :1])
    region = torch.rand(images[:, :1].shape, generator=torch.Generator().manual_seed(seed)) < 0.05
    every = torch.ones_like(chosen)
    touches = cut_patches(region.double().contiguous(), grid.places(every), patch_size).any(dim=1)
    assert torch.equal(grid.touching(region), touches.view_as(chosen))


@settings(max_examples=30, deadline=None)
@given(grids())
def test_moments_are_those_of_all_patches_of_an_image(case):
    images, patch_size, stride, grid, _ = case
    patches = extract_patches(images, patch_size, stride, cover=True)
    mean, variance = grid.moments(images)
    torch.testing.assert_close(mean, patches.mean(dim=1))
    torch.testing.assert_close(variance, patches.var(dim=1, correction=0), atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_variances_of_a_nearly_flat_image_do_not_cancel(level):
    images = (level + 1e-4 * torch.randn(1, 3, 30, 30, dtype=torch.float64)).float()
    grid = PatchGrid(images, 8, 2)
    expected = extract_patches(images, 8, 2, cover=True).double().var(dim=1, correction=0)
    torch.testing.assert_close(grid.moments(images)[1].double(), expected, rtol=1e-3, atol=0)


def test_cutting_and_pasting_are_differentiable():
    images = torch.rand(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    grid = PatchGrid(images, 3, 2)
    places = grid.places(torch.rand(2, len(grid.rows), len(grid.columns)) < 0.7)
    assert torch.autograd.gradcheck(
        lambda x: paste_patches(cut_patches(x, places, 3).square(), places, x.shape), images
    )
