"""What deep sparse coding learns from a batch: sums over images of residuals times codes."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.grad import conv2d_weight

from sparsecode.hierarchy import SolvedLayer
from sparsefront.frontends.dsc.network import DSCNetwork


class ResidualSums(NamedTuple):
    """Sums over the images of a batch.

    Attributes:
        gradients: of each layer -dE/dD, of its dictionary's shape.
        usage: of each layer (K,), the squared codes.
        totals: (3,), how many images, E, how many came to rest.
        energies: (layers, 3), of each layer the squared residual, the square of what it reads, its active neurons.
    """

    gradients: list[Tensor]
    usage: list[Tensor]
    totals: Tensor
    energies: Tensor

    @property
    def n_images(self) -> int:
        """How many images there were."""
        return int(self.totals[0])

    @property
    def energy(self) -> Tensor:
        """Sum over the images of their energy E."""
        return self.totals[1]

    @property
    def n_at_rest(self) -> Tensor:
        """How many of them came to rest."""
        return self.totals[2]

    def reduced(self, reduce: Callable[[Tensor], Tensor]) -> "ResidualSums":
        """Sums over the images of all processes, in one exchange."""
        pairs = [tensor for pair in zip(self.gradients, self.usage, strict=True) for tensor in pair]
        tensors = [*pairs, self.totals, self.energies]
        flat = reduce(torch.cat([tensor.flatten() for tensor in tensors]))
        slices = flat.split([tensor.numel() for tensor in tensors])
        *pairs, totals, energies = (piece.view_as(tensor) for piece, tensor in zip(slices, tensors, strict=True))
        return ResidualSums(pairs[::2], pairs[1::2], totals, energies)


def residual_sums(network: DSCNetwork, signals: list[Tensor], tolerance: float) -> tuple[ResidualSums, list[Tensor]]:
    """Sums of this process's images, and the residuals (B, *shape) of each layer.

    Args:
        network: whose codes they are.
        signals: what the modalities read, (B, C, H, W) each.
        tolerance: of rest.
    """
    hierarchy = network.hierarchy(second=len(signals) > 1, dtype=signals[0].dtype)
    dictionaries = [network.dictionary(index) for index in range(len(network.plans))]
    gradients = [torch.zeros_like(dictionary) for dictionary in dictionaries]
    usage = [dictionary.new_zeros(len(dictionary)) for dictionary in dictionaries]
    totals = signals[0].new_zeros(3)
    energies = signals[0].new_zeros(len(hierarchy.levels), 3)
    residuals: list[list[Tensor]] = [[] for _ in hierarchy.levels]
    for rows in network.solver.runs(hierarchy, signals[0]):
        given = hierarchy.given([signal[rows] for signal in signals])
        codes, at_rest = network.solver.minimise(hierarchy, given, tolerance)
        by_level = hierarchy.split(codes)
        energy = hierarchy.energy(codes, given).sum()
        totals += torch.stack([totals.new_tensor(len(rows)), energy, at_rest.sum()])
        inputs = hierarchy.inputs(by_level, given)
        for index, (level, below, code) in enumerate(zip(hierarchy.levels, inputs, by_level, strict=True)):
            residual = below - hierarchy.operators[index].synthesise(code)
            gradients[index] += _products(level, residual, code)
            usage[index] += code.square().flatten(2).sum(dim=(0, 2)) if code.ndim > 2 else code.square().sum(dim=0)
            n_nonzeros = (code != 0).sum().to(energies)
            energies[index] += torch.stack([residual.square().sum(), below.square().sum(), n_nonzeros])
            residuals[index].append(residual)
    joined = [torch.cat(of_runs) if of_runs else signals[0][:0] for of_runs in residuals]
    return ResidualSums(gradients, usage, totals, energies), joined


def _products(level: SolvedLayer, residual: Tensor, code: Tensor) -> Tensor:
    """The sum of residuals times codes, of the dictionary's shape."""
    if level.atoms.ndim == 2:
        return code.T @ residual
    shape = tuple(level.atoms.shape)
    products: Tensor = conv2d_weight(residual, shape, code, stride=level.stride, padding=level.padding)
    return products
