"""Small deep sparse coders, and pictures for them: coloured blobs and stripes."""

from functools import cache
from typing import NamedTuple

import torch

from sparsefront.frontends.dsc import DSC, DSCLayer, DSCLearningSettings, DSCSolver, SecondModality
from tests.helpers.front_end_contract import fitted

SHAPE, SECOND = (3, 9, 8), (1, 4, 10)
LAYERS = (DSCLayer(12, 4, 2, 0.3), DSCLayer(7, 3, 2, 0.1), DSCLayer(8, lmbda=0.05))
NAMES = SecondModality(SECOND, (DSCLayer(6, 4, 2, 0.3, 0.5),))
ROUGH = DSCSolver(tolerance=0.1)


def pictures(n, seed=0, shape=SHAPE):
    """Coloured blobs and stripes, away from 0 and 1, of the same draws in every precision."""
    generator, single = torch.Generator().manual_seed(seed), torch.float32
    drawn = torch.rand(n, 6, 1, 1, 1, generator=generator, dtype=single)
    y, x = torch.meshgrid(torch.linspace(0, 1, shape[1]), torch.linspace(0, 1, shape[2]), indexing="ij")
    blobs = torch.exp(-10 * ((x - drawn[:, 0]) ** 2 + (y - drawn[:, 1]) ** 2))
    stripes = torch.sin(9 * (x * (3 * drawn[:, 2]).cos() + y * (3 * drawn[:, 2]).sin()) + 6 * drawn[:, 3])
    colours = torch.rand(n, shape[0], 1, 1, generator=generator, dtype=single)
    noise = 0.01 * torch.randn(n, *shape, generator=generator, dtype=single)
    return (0.4 + 0.35 * colours * blobs + 0.1 * (1 - colours) * stripes + noise).clamp(0.02, 0.98)


class Pairs(NamedTuple):
    """A batch of two modalities."""

    image: torch.Tensor
    label: torch.Tensor
    second: torch.Tensor


@cache
def learned():
    """One that has learned, shared by tests, which must not change it."""
    frontend = DSC(SHAPE, LAYERS, solver=ROUGH, learning=DSCLearningSettings(n_iterations=3))
    return fitted(frontend, pictures(24, seed=1))


def like(solver=ROUGH, **settings):
    """One of other settings with what `learned()` learned."""
    frontend = DSC(SHAPE, LAYERS, solver=solver, **settings)
    frontend.load_state_dict(learned().state_dict())
    return frontend.eval()


def to_tolerance(tolerance):
    """`like()`, with codes that rest up to this tolerance."""
    return like(DSCSolver(tolerance=tolerance))


@cache
def bimodal():
    """One of two modalities that has learned, shared by tests, which must not change it."""
    frontend = DSC(SHAPE, LAYERS, NAMES, solver=ROUGH)
    with torch.no_grad():
        for _ in range(3):
            frontend.learn_from_batch(Pairs(pictures(20, seed=2), torch.zeros(20), pictures(20, seed=3, shape=SECOND)))
    frontend.learned.fill_(True)
    return frontend.eval()


def bimodal_like(**settings):
    """One of other settings with what `bimodal()` learned."""
    frontend = DSC(SHAPE, LAYERS, NAMES, solver=ROUGH, **settings)
    frontend.load_state_dict(bimodal().state_dict())
    return frontend.eval()
