"""The bound of a level's eigenvalues, against those of its dense matrix."""

from math import prod

import pytest
import torch

from sparsecode.hierarchy import SolvedLayer, eigenvalue_bound
from tests.helpers.small_hierarchies import matrix, unit


@pytest.mark.parametrize(("channels", "size", "stride"), [(2, 3, 1), (20, 4, 2), (9, 5, 3), (70, 2, 2)])
@pytest.mark.parametrize("positive", [True, False])
def test_the_bound_of_a_level_is_close_above_its_largest_eigenvalue(channels, size, stride, positive):
    atoms = unit(4, channels, size, size, generator=torch.Generator().manual_seed(6), positive=positive)
    shape, padding = (channels, 9, 8), (size - 1, size // 2)
    operator = SolvedLayer(atoms, shape, 0.1, 1.0, stride=stride, padding=padding).operator()
    largest = float(torch.linalg.matrix_norm(matrix(operator, prod(operator.code_shape)), 2)) ** 2
    found = eigenvalue_bound(atoms, shape, stride, padding)
    assert largest <= found < (1.6 if positive else 8) * largest


def test_the_bound_holds_where_an_atom_overlaps_none_of_many_that_overlap_each_other():
    atoms = torch.zeros(64, 70, 2, 2)
    atoms[0, 69], atoms[1:, :69] = 0.5, 0.5 / 69**0.5
    operator = SolvedLayer(atoms, (70, 3, 3), 0.1, 1.0).operator()
    codes = torch.eye(64 * 4).view(-1, 64, 2, 2)
    largest = float(torch.linalg.matrix_norm(operator.synthesise(codes).flatten(1), 2)) ** 2
    assert largest <= eigenvalue_bound(atoms, (70, 3, 3), 1, (0, 0)) < 2 * largest
