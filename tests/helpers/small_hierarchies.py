"""Small hierarchies of random dictionaries, what they read, and their minimum."""

import dataclasses
from math import prod

import torch
from torch.nn import functional as F

from sparsecode.hierarchy import Hierarchy, Proximal, SolvedLayer


def matrix(operator, codes):
    """The dense matrix (signals, codes) of a linear operator, column by column."""
    shape = operator.code_shape
    return operator.synthesise(torch.eye(codes, dtype=torch.float64).view(codes, *shape)).flatten(1).T


def level(atoms, shape, lmbda, **settings):
    """A level with the exact bound."""
    found = SolvedLayer(atoms, shape, lmbda, 1.0, **settings)
    codes = prod(found.operator().code_shape)
    return dataclasses.replace(found, bound=float(torch.linalg.matrix_norm(matrix(found.operator(), codes), 2)) ** 2)


def unit(*shape, generator, positive=False):
    draw = torch.rand if positive else torch.randn
    return F.normalize(draw(*shape, generator=generator, dtype=torch.float64).flatten(1), dim=1).view(shape)


def stack(betas=(1.0, 1.0), positive=True, feedback_on="potential", lmbdas=(0.1, 0.05, 0.05)):
    """Filters on (2, 7, 5), filters on their codes, and a fully connected layer on top."""
    generator = torch.Generator().manual_seed(0)
    levels = [
        level(unit(6, 2, 3, 3, generator=generator), (2, 7, 5), lmbdas[0], feedback=betas[0], stride=2, padding=(1, 1)),
        level(
            unit(5, 6, 2, 2, generator=generator, positive=True), (6, 4, 3), lmbdas[1], below=(0,), feedback=betas[1]
        ),
        level(unit(8, 30, generator=generator, positive=True), (30,), lmbdas[2], below=(1,)),
    ]
    return Hierarchy(levels, positive, feedback_on)


def two_branches(betas=(1.0, 0.5), positive=True):
    """Filters on (1, 4, 4) and a fully connected layer on 7 numbers, below one top layer."""
    generator = torch.Generator().manual_seed(1)
    levels = [
        level(unit(3, 1, 2, 2, generator=generator), (1, 4, 4), 0.05, feedback=betas[0], stride=2),
        level(unit(5, 7, generator=generator), (7,), 0.1, feedback=betas[1]),
        level(unit(6, 17, generator=generator, positive=True), (17,), 0.05, below=(0, 1)),
    ]
    return Hierarchy(levels, positive)


def signals(model, number=3, seed=2):
    generator = torch.Generator().manual_seed(seed)
    shapes = [one.shape for one in model.levels if not one.below]
    return model.given([torch.rand(number, *shape, generator=generator, dtype=torch.float64) for shape in shapes])


def minimum(model, given, tolerance=1e-7, start=None):
    number = len(next(part for part in given if part is not None))
    start = torch.zeros(number, sum(model.sizes), dtype=torch.float64) if start is None else start
    codes, converged = Proximal(model).minimise(start, given, tolerance, 50_000)
    assert converged.all()
    return codes


def overlapping(stride=2, padding=(2, 1), taps=(4, 3), positive=True, feedback_on="potential", betas=(1.0, 0.5)):
    """Filters that meet each other across the border and in both directions, below filters that overlap, too."""
    generator = torch.Generator().manual_seed(4)
    first = level(
        unit(4, 2, *taps, generator=generator), (2, 9, 8), 0.1, feedback=betas[0], stride=stride, padding=padding
    )
    shape = first.operator().code_shape
    second = level(
        unit(5, 4, 2, 2, generator=generator, positive=True), shape, 0.05, below=(0,), feedback=betas[1], padding=(1, 0)
    )
    size = prod(second.operator().code_shape)
    third = level(unit(6, size, generator=generator, positive=True), (size,), 0.05, below=(1,))
    return Hierarchy([first, second, third], positive, feedback_on)
