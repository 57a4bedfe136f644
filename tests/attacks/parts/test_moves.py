import pytest
import torch

from sparsefront.attacks.parts.moves import moved_in_three_ways, signs_in_blocks
from tests.helpers.planted import training_images


def test_points_are_moved_by_no_more_than_the_radius():
    images = training_images(30)[0]
    moved = moved_in_three_ways(images[:20], images, 0.1)
    assert (moved - images[:20]).abs().max() <= 0.1 + 1e-6
    assert ((moved >= 0) & (moved <= 1)).all()
    assert ((moved != images[:20]).flatten(1).sum(dim=1) > 50).all()


@pytest.mark.parametrize("side", [None, 1, 3])
@pytest.mark.parametrize("shape", [(2, 3, 7, 10), (1, 1, 1, 1)])
def test_blocks_cover_images_of_every_size(shape, side):
    found = signs_in_blocks(torch.zeros(shape), side)
    assert found.shape == shape
    assert set(found.unique().tolist()) <= {-1.0, 1.0}
