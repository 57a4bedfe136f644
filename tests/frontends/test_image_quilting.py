import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.common.random import generator_of
from sparsefront.frontends import ImageQuilting
from sparsefront.frontends.parts.minimum_cut import join_overlapping, minimum_cut
from sparsefront.frontends.parts.nearest import nearest
from sparsefront.frontends.parts.random_patches import random_patches
from tests.helpers.front_end_contract import fitted, seeded
from tests.helpers.processes_in_threads import ThreadTrainer, in_processes

SHAPE = (3, 14, 17)  # 5x5 patches, 2 pixels shared: grids of 4 and 5


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def with_database(patches, shape=SHAPE, **settings_):
    """An ImageQuilting whose database is those patches (N, C n n)."""
    frontend = ImageQuilting(shape, **{"n_neighbours": 1, "n_patches": len(patches), **settings_})
    frontend.database.copy_(patches)
    frontend.learned.fill_(True)
    return frontend.eval()


def cheapest_path(errors):
    """Of all paths from the first row to the last the one with the least sum; every path is looked at."""
    rows, columns = errors.shape
    paths = (
        path
        for path in itertools.product(range(columns), repeat=rows)
        if all(abs(one - other) <= 1 for one, other in itertools.pairwise(path))
    )
    return min(paths, key=lambda path: sum(errors[row, column] for row, column in enumerate(path)))


def cut_one_by_one(errors):
    """Efros and Freeman 2001, section 2.1: E(i, j) = e(i, j) + min(E(i-1, j-1), E(i-1, j), E(i-1, j+1))."""
    rows, columns = errors.shape
    total = errors.copy()
    for row in range(1, rows):
        for column in range(columns):
            total[row, column] += min(total[row - 1, max(column - 1, 0) : column + 2])
    path = [int(np.argmin(total[-1]))]
    for row in range(rows - 2, -1, -1):
        low = max(path[-1] - 1, 0)
        path.append(low + int(np.argmin(total[row, low : path[-1] + 2])))
    return path[::-1]


def join_one_by_one(pieces, overlap):
    """Pieces (P, C, L, n) set next to each other one after the other."""
    joined = pieces[0]
    for piece in pieces[1:]:
        left, right = joined[..., -overlap:], piece[..., :overlap]
        path = cut_one_by_one(((left - right) ** 2).sum(axis=0))
        seam = left.copy()
        for row, column in enumerate(path):
            seam[:, row, column:] = right[:, row, column:]
        joined = np.concatenate([joined[..., :-overlap], seam, piece[..., overlap:]], axis=-1)
    return joined


def quilt_one_by_one(image, database, size, overlap):
    """One image (C, H, W) of fitting sides, every step in a loop."""
    step, (channels, height, width) = size - overlap, image.shape
    strips = []
    for top in range(0, height - size + 1, step):
        tiles = []
        for left in range(0, width - size + 1, step):
            patch = image[:, top : top + size, left : left + size].reshape(-1)
            nearest = min(range(len(database)), key=lambda row: ((database[row] - patch) ** 2).sum())
            tiles.append(database[nearest].reshape(channels, size, size))
        strips.append(join_one_by_one(tiles, overlap).swapaxes(-1, -2))
    return join_one_by_one(strips, overlap).swapaxes(-1, -2)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), rows=st.integers(1, 6), columns=st.integers(1, 4))
def test_the_cut_is_the_cheapest_of_all_paths(seed, rows, columns):
    errors = rand(2, 3, rows, columns, seed=seed).double()
    masks = minimum_cut(errors)
    for each, mask in zip(errors.flatten(0, 1), masks.flatten(0, 1), strict=True):
        path = torch.tensor(cheapest_path(each.numpy()))
        assert torch.equal(mask, torch.arange(columns) >= path[:, None])


def test_of_equal_cuts_the_leftmost_is_taken():
    assert minimum_cut(torch.zeros(4, 3)).all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 999), overlap=st.integers(1, 3), number=st.integers(1, 4))
def test_pieces_are_joined_as_one_after_the_other(seed, overlap, number):
    pieces = rand(2, number, 3, 5, 6, seed=seed).double()
    found = join_overlapping(pieces, overlap)
    for one, each in zip(found, pieces, strict=True):
        np.testing.assert_array_equal(one.numpy(), join_one_by_one(each.numpy(), overlap))


@pytest.mark.parametrize(("size", "overlap", "shape"), [(5, 2, (3, 14, 17)), (4, 1, (1, 10, 13)), (6, 3, (2, 12, 9))])
def test_an_image_is_quilted_as_by_loops_over_places_patches_and_seams(size, overlap, shape):
    database = rand(40, shape[0] * size**2).double()
    images = rand(2, *shape, seed=1).double()
    frontend = with_database(database, shape, patch_size=size, overlap=overlap).double()
    for image, found in zip(images, frontend(images), strict=True):
        np.testing.assert_array_equal(found.numpy(), quilt_one_by_one(image.numpy(), database.numpy(), size, overlap))


def test_an_image_made_of_database_patches_comes_back_unchanged():
    images = rand(3, *SHAPE)
    every = torch.nn.functional.unfold(images, 5, stride=3).mT.flatten(0, 1)
    assert torch.equal(with_database(torch.cat([rand(50, 75, seed=1), every]))(images), images)


def test_sides_that_do_not_fit_the_grid_are_continued_with_the_border():
    frontend, images = with_database(rand(60, 75)), rand(2, 3, 12, 16)
    continued = torch.nn.functional.pad(images, (0, 1, 0, 2), mode="replicate")
    assert torch.equal(frontend(images), frontend(continued)[:, :, :12, :16])


@pytest.mark.parametrize("max_bytes", [1, 2**28])
def test_the_nearest_patches_are_found_whatever_the_memory(max_bytes):
    database, patches = rand(70, 75).double(), rand(9, 75, seed=1).double()
    expected = torch.cdist(patches, database).argsort(dim=1)[:, :4]
    assert torch.equal(nearest(patches, database, 4, max_bytes), expected)
    assert torch.equal(nearest(patches, database, 4, max_bytes, at_once=3), expected)  # fewer than neighbours
    frontend = with_database(database, n_neighbours=1, max_bytes=max_bytes).double()
    assert torch.equal(frontend.choose(patches), expected[:, 0])


def test_each_of_the_k_nearest_is_drawn_equally_often_and_no_other():
    database = rand(30, 75)
    frontend = with_database(database, n_neighbours=3)
    patch = rand(1, 75, seed=1)
    near = nearest(patch, database, 3)[0]
    drawn = seeded(frontend.choose, patch.expand(3000, -1))
    assert set(drawn.tolist()) == set(near.tolist())
    assert all(900 < (drawn == row).sum() < 1100 for row in near)


def test_exact_gradient_is_zero():
    images = rand(1, *SHAPE).requires_grad_()
    (gradient,) = torch.autograd.grad(with_database(rand(30, 75)).stand_in("exact")(images).sum(), images)
    assert not gradient.any()


def test_the_database_holds_patches_of_the_images_blank_ones_too():
    images = rand(5, 1, 8, 9)
    images[0] = 0
    drawn = random_patches(images, 3, 400, torch.Generator().manual_seed(0))
    every = torch.nn.functional.unfold(images, 3).mT.flatten(0, 1)
    assert (torch.cdist(drawn, every, p=1).amin(dim=1) == 0).all()
    assert (drawn == 0).all(dim=1).any()
    assert len(drawn.unique(dim=0)) > 100


def test_stage_one_fills_the_database_with_the_same_patches_from_the_same_seed():
    images = rand(6, *SHAPE)
    first, second, other = (
        fitted(ImageQuilting(SHAPE, n_patches=50, n_iterations=3, seed=seed), images) for seed in (0, 0, 1)
    )
    assert bool(first.learned)
    assert (first.database != 0).any(dim=1).all()
    assert torch.equal(first.database, second.database)
    assert not torch.equal(first.database, other.database)
    assert first.atoms().shape == (50, 3, 5, 5)


def test_processes_share_the_patches_that_each_has_drawn():
    images = rand(4, *SHAPE)
    patches = [random_patches(images, 5, 3, generator_of(0, 0, rank)) for rank in range(2)]

    def learned(strategy):
        frontend = ImageQuilting(SHAPE, n_patches=10, n_iterations=2)
        frontend._trainer = ThreadTrainer(strategy)
        frontend.learn_from(images)
        return frontend.database

    for database in in_processes(2, learned):
        assert torch.equal(database[:5], torch.cat(patches)[:5])
        assert not database[5:].any()


def test_before_stage_one_it_says_so():
    with pytest.raises(RuntimeError, match="has not learned yet"):
        ImageQuilting(SHAPE, n_patches=10)(rand(1, *SHAPE))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"patch_size": 15}, "`patch_size` must be from 2 to the image's smaller side 14, found 15"),
        ({"overlap": 3}, "`overlap` must be from 1 to half of `patch_size` = 5, found 3"),
        ({"overlap": 0}, "`overlap` must be from 1"),
        ({"n_neighbours": 11}, "`n_neighbours` must be from 1 to `n_patches` = 10, found 11"),
        ({"n_iterations": 0}, "`n_iterations` must be at least 1, found 0"),
        ({"max_bytes": 0}, "`max_bytes` must be at least 1, found 0"),
    ],
)
def test_a_setting_out_of_range_is_named(settings_, message):
    with pytest.raises(ValueError, match=message):
        ImageQuilting(**{"image_shape": SHAPE, "n_patches": 10, **settings_})
