"""Small STL front ends, and pictures for them: stripes and blobs in random colours."""

from dataclasses import fields
from functools import cache

import torch

from sparsecode import convolve
from sparsefront.frontends.stl import STL, STLClusterSettings, STLCodeSettings, STLLearningSettings
from tests.helpers.front_end_contract import fitted

SHAPE = (3, 16, 18)
N_ITERATIONS = 4
SMALL = {
    "n_filters": 10,
    "filter_size": 5,
    "lmbda": 0.1,
    "n_clusters": 2,
    "n_neighbours": 3,
    "n_components": 6,
    "n_references": 40,
    "autoencoder_iterations": 4,
    "reference_iterations": 2,
    "n_iterations": N_ITERATIONS,
}
GROUPS = {"codes": STLCodeSettings, "clusters": STLClusterSettings, "learning": STLLearningSettings}


def grouped(**settings):
    """The arguments of an STL from the names of its settings, whatever group they belong to."""
    arguments = {
        name: group(**{field.name: settings.pop(field.name) for field in fields(group) if field.name in settings})
        for name, group in GROUPS.items()
    }
    return arguments | settings


def small(shape=SHAPE, **settings):
    """One that learns fast, with other settings where they are given."""
    return STL(shape, **grouped(**SMALL | settings))


def pictures(n, seed=0, shape=SHAPE):
    """Stripes (even rows) and soft blobs (odd rows), in random colours away from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.rand(n, 8, 1, 1, 1, generator=generator)
    y, x = torch.meshgrid(torch.arange(shape[1]) / 16, torch.arange(shape[2]) / 16, indexing="ij")
    turn = drawn[:, 0] * 3.14
    stripes = torch.sin((12 + 8 * drawn[:, 1]) * (x * turn.cos() + y * turn.sin()) + 6 * drawn[:, 2])
    blobs = 2 * torch.exp(-20 * ((x - drawn[:, 3]) ** 2 + (y - drawn[:, 4]) ** 2)) - 1
    odd = (torch.arange(n) % 2).view(-1, 1, 1, 1).bool()
    colours = 0.3 + 0.7 * torch.rand(n, shape[0], 1, 1, generator=generator)
    noise = torch.randn(n, *shape, generator=generator)
    return (0.5 + 0.35 * colours * torch.where(odd, blobs, stripes) + 0.01 * noise).clamp(0.02, 0.98)


@cache
def learned():
    """One that has learned, shared by tests, which must not change it."""
    return fitted(small(), pictures(24, seed=1))


def like(**settings):
    """One of other settings with what `learned()` learned."""
    frontend = small(**settings)
    frontend.load_state_dict(learned().state_dict())
    return frontend.eval()


def objective(high, filters, codes, lmbda):
    """What codes of high-pass parts minimise."""
    return (high - convolve(codes, filters)).square().sum() / 2 + lmbda * codes.abs().sum()
