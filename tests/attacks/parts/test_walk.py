from dataclasses import dataclass

import pytest
import torch

from sparsefront.attacks.parts.losses import Goal
from sparsefront.attacks.parts.walk import Walk, all_rows


@dataclass
class Points(Walk):
    """Samples with a point and a goal each."""

    points: torch.Tensor
    goal: Goal


@pytest.fixture
def walk():
    points = torch.arange(8.0).view(4, 2)
    return Points(all_rows(points), points, Goal("ce", torch.tensor([5, 6, 7, 8])))


def test_dropped_samples_are_left_out_of_every_field(walk):
    assert walk.drop(torch.tensor([False, True, False, True])) is walk
    assert len(walk) == 2
    assert walk.rows.tolist() == [0, 2]
    assert walk.points.tolist() == [[0.0, 1.0], [4.0, 5.0]]
    assert walk.goal.classes.tolist() == [5, 7]
    walk.drop(torch.tensor([True, False]))
    assert walk.rows.tolist() == [2]


def test_a_walk_is_false_once_nobody_is_left(walk):
    assert walk.drop(torch.zeros(4, dtype=torch.bool))
    assert not walk.drop(torch.ones(4, dtype=torch.bool))


def test_values_are_put_in_the_places_that_the_samples_have_in_the_batch(walk):
    results = torch.zeros(4, 2)
    walk.drop(torch.tensor([True, False, False, False]))
    walk.put(results, walk.points, torch.tensor([False, True, False]))
    assert results.tolist() == [[0, 0], [0, 0], [4, 5], [0, 0]]
    walk.put(results, -walk.points)
    assert results.tolist() == [[0, 0], [-2, -3], [-4, -5], [-6, -7]]
