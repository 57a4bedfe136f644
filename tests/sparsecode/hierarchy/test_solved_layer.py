"""A layer with its dictionary: its operator, and its threshold against the brute-force minimiser."""

import pytest
import torch

from sparsecode import Convolution, Dense
from sparsecode.hierarchy import SolvedLayer
from tests.helpers.small_hierarchies import unit


def test_atoms_are_laid_out_as_filters_or_fully_connected_and_scaled():
    generator = torch.Generator().manual_seed(0)
    filters, atoms = unit(4, 2, 3, 3, generator=generator), unit(5, 7, generator=generator)
    laid = SolvedLayer(filters, (2, 6, 5), 0.1, 1.0, stride=2, padding=(1, 1)).operator(2.0)
    flat = SolvedLayer(atoms, (7,), 0.1, 1.0).operator()
    assert (type(laid), type(flat)) == (Convolution, Dense)
    assert (tuple(laid.code_shape), tuple(flat.code_shape)) == ((4, 3, 3), (5,))
    code = torch.rand(2, 4, 3, 3, generator=generator, dtype=torch.float64)
    expected = 2 * torch.nn.functional.conv_transpose2d(code, filters, stride=2, padding=1, output_padding=(1, 0))
    torch.testing.assert_close(laid.synthesise(code), expected)
    code = torch.rand(2, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(flat.synthesise(code), code @ atoms)


@pytest.mark.parametrize("positive", [True, False])
def test_the_threshold_is_the_proximal_step_of_the_norm(positive):
    """argmin 1/2 (a - u)^2 + lmbda |a| over a fine grid of a."""
    layer = SolvedLayer(torch.eye(2), (2,), 0.3, 1.0)
    potentials = torch.linspace(-1, 1, 41, dtype=torch.float64)
    grid = torch.linspace(0 if positive else -1, 1, 4001, dtype=torch.float64)
    costs = (grid - potentials[:, None]).square() / 2 + 0.3 * grid.abs()
    torch.testing.assert_close(layer.code(potentials, positive), grid[costs.argmin(dim=1)], atol=5e-4, rtol=0)
