import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.mixed_moves import (
    PIXELS,
    RESETS,
    SCATTERED,
    compiled_linf_move,
    mixed_linf_move,
    mixed_window_move,
    rectangles_in_turn,
    rectangles_of,
)
from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.squares import first_points


def a_walk(shape, norm, size, count=3, seed=0):
    """Images, a point of the ball around each, and the radii."""
    generator = torch.Generator().manual_seed(seed)
    images, points = torch.rand(2, count, *shape, dtype=torch.float64, generator=generator)
    eps = torch.full((count,), size, dtype=torch.float64)
    return images, confine(points, images, eps, norm), eps


def linf_move(best, images, eps, indices, queries, *, seed, stream, move=mixed_linf_move):
    """A move by a rectangle of the size that the query has."""
    number, n_queries = queries
    sizes = rectangles_of(torch.tensor([number]), n_queries, images, seed=seed, streams=torch.tensor([stream]))
    return move(best, images, eps, indices, sizes[0], seed=seed, stream=stream)


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12))


def window(after, before):
    """Lines and columns (two slices) of the rectangle in which (C, H, W) images differ."""
    changed = (after != before).any(dim=0).nonzero()
    low, high = changed.amin(dim=0).tolist(), (changed.amax(dim=0) + 1).tolist()
    return slice(low[0], high[0]), slice(low[1], high[1])


@given(shape=SHAPES, query=st.integers(0, 99), seed=st.integers(0, 2**32), eps=st.sampled_from([0.0, 0.05, 1.0]))
@settings(deadline=None, max_examples=60)
def test_a_linf_move_sets_a_rectangle_to_corners_of_the_ball_or_to_the_image(shape, query, seed, eps):
    images, best, radii = a_walk(shape, "Linf", eps, seed=seed)
    points = linf_move(best, images, radii, torch.tensor([4, 2**40, 0]), (query, 100), seed=seed, stream=query)
    for image, before, after in zip(images, best, points, strict=True):
        if torch.equal(after, before):
            continue
        lines, columns = window(after, before)
        corners = [(image + eps).clamp(0, 1), (image - eps).clamp(0, 1), image]
        moved = torch.stack([after == corner for corner in corners]).any(dim=0)
        assert moved[:, lines, columns].all()


@given(
    shape=SHAPES,
    query=st.integers(0, 99),
    seed=st.integers(0, 2**32),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@settings(deadline=None, max_examples=60)
def test_compiled_moves_are_the_same_to_the_last_bit(shape, query, seed, dtype):
    images, best, radii = (tensor.to(dtype) for tensor in a_walk(shape, "Linf", 0.1, count=9, seed=seed))
    given, indices = best.clone(), torch.tensor([4, 2**40, *range(7)])
    settings = {"seed": seed, "stream": query * 3}
    expected = linf_move(best, images, radii, indices, (query, 100), **settings)
    moved = linf_move(
        best.mT.contiguous().mT, images, radii, indices, (query, 100), move=compiled_linf_move, **settings
    )
    assert torch.equal(moved, expected)
    assert torch.equal(best, given)


def test_sizes_come_in_the_order_of_the_queries_also_where_many_are_drawn_at_once():
    images = torch.zeros(1, 1, 28, 28)
    sizes = list(rectangles_in_turn(450, images, seed=3, stream=1000))
    assert len(sizes) == 449
    for query in (1, 200, 201, 449):
        drawn = rectangles_of(torch.tensor([query - 1]), 450, images, seed=3, streams=torch.tensor([1000 + query]))
        assert torch.equal(sizes[query - 1], drawn[0])


@given(shape=SHAPES, query=st.integers(0, 99), norm=st.sampled_from(["L2", "L1"]), eps=st.sampled_from([0.0, 0.5, 9.0]))
@settings(deadline=None, max_examples=60)
def test_a_window_move_stays_in_the_ball_and_in_the_box(shape, query, norm, eps):
    images, best, radii = a_walk(shape, norm, eps)
    points = mixed_window_move(best, images, radii, norm, torch.arange(3), (query, 100), seed=1, stream=query)
    assert ((points >= 0) & (points <= 1)).all()
    assert (perturbation_norm(points - images, norm) <= eps * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize("norm", ["Linf", "L2"])
def test_moves_depend_on_the_sample_and_the_stream_alone(norm):
    images, best, eps = a_walk((2, 9, 9), norm, 0.1, count=6)

    def move(rows, seed=3, stream=5):
        arguments = best[rows], images[rows], eps[rows]
        if norm == "Linf":
            return linf_move(*arguments, torch.arange(6)[rows], (7, 100), seed=seed, stream=stream)
        return mixed_window_move(*arguments, norm, torch.arange(6)[rows], (7, 100), seed=seed, stream=stream)

    every = torch.arange(6)
    assert torch.equal(move(every)[[4, 1]], move(torch.tensor([4, 1])))
    assert not torch.equal(move(every), move(every, seed=4))
    assert not torch.equal(move(every), move(every, stream=6))


def test_every_kind_of_move_has_its_share():
    """Told apart by what they leave behind of a point inside the ball."""
    count = 4000
    images = torch.full((count, 1, 20, 20), 0.5)
    best, eps = images + 0.03, torch.full((count,), 0.1)
    points = linf_move(best, images, eps, torch.arange(count), (1, 10000), seed=0, stream=1)
    values = [after[after != before].sub(0.5).unique().tolist() for after, before in zip(points, best, strict=True)]
    scattered = sum(len(one) == 2 for one in values) / count
    reset = sum(one == [0.0] for one in values) / count
    signs = [one[0] > 0 for one in values if len(one) == 1 and one != [0.0]]
    assert abs(scattered - SCATTERED) < 0.03
    assert abs(reset - RESETS) < 0.02
    assert abs(sum(signs) / len(signs) - 0.5) < 0.04


def test_sizes_are_one_for_all_samples_and_only_half_of_them_follow_the_schedule():
    images = torch.full((5, 1, 28, 28), 0.5)
    best, eps = images + 0.03, torch.full((5,), 0.1)
    areas = {}
    for query in (0, 9000):
        counts = torch.stack(
            [
                (linf_move(best, images, eps, torch.arange(5), (query, 10000), seed=0, stream=stream) != best)
                .flatten(1)
                .sum(dim=1)
                for stream in range(400)
            ]
        )
        assert (counts == counts[:, :1]).all()
        areas[query] = counts[:, 0].float()
    assert areas[0].quantile(0.7) > 300
    assert areas[9000].quantile(0.4) <= 4
    assert areas[9000].quantile(0.9) > 20
    assert PIXELS - 0.02 < (areas[0] == 1).float().mean() < 0.2


def test_rectangles_lie_anywhere_and_either_way():
    images = torch.full((300, 1, 9, 9), 0.5)
    best, eps = images + 0.03, torch.full((300,), 0.1)
    heights, changed = set(), torch.zeros(9, 9)
    for stream in range(30):
        points = linf_move(best, images, eps, torch.arange(300), (9000, 10000), seed=0, stream=stream)
        changed += (points != best).sum(dim=0)[0]
        lines, columns = window(points[0], best[0])
        heights.add((lines.stop - lines.start) - (columns.stop - columns.start))
    assert (changed > 0).all()
    assert min(heights) < 0 < max(heights)


def test_a_reset_square_is_the_clean_image_there_and_the_rest_grows():
    images = torch.full((400, 1, 12, 12), 0.5, dtype=torch.float64)
    eps = torch.full((400,), 0.5, dtype=torch.float64)
    best = first_points(images, eps, "L2", torch.arange(400), seed=0, stream=0)
    points = mixed_window_move(best, images, eps, "L2", torch.arange(400), (5000, 10000), seed=0, stream=1)
    delta, before = points - images, best - images
    torch.testing.assert_close(perturbation_norm(delta, "L2"), eps)
    ratio = delta / before
    grown = [torch.unique(one[one.isfinite() & (one != 0)].round(decimals=6)) for one in ratio.flatten(1)]
    only_scaled = torch.tensor([len(one) == 1 and bool(one > 1) for one in grown])
    assert 0.05 < only_scaled.float().mean() < 0.15
