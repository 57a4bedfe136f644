"""Layers that reconstruct each other's codes, as one linear operator."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.operators import Operator


class Child(NamedTuple):
    """A block whose codes another one reconstructs."""

    place: int  # of that block among all
    slot: slice  # where its codes lie in the other's signal, flat
    weight: float  # what they are multiplied with there


class Block(NamedTuple):
    """A layer's rows of the operator."""

    operator: Operator  # its dictionary
    norm: float  # at least the operator's
    children: tuple[Child, ...] = ()  # what it reconstructs, beside what is given


class JointOperator:
    """Codes b of all blocks, flat and side by side -> D_l b_l - sum over children of weight b_child, for each block l.

    A `sparsecode.Operator`: with these the energy of a hierarchy is the LASSO of one operator.

    Args:
        blocks: each after its children.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self._codes = [prod(block.operator.code_shape) for block in blocks]
        self._signals = [prod(block.operator.signal_shape) for block in blocks]

    @classmethod
    def of(cls, model: Hierarchy, group: Sequence[int], scales: Sequence[float]) -> "JointOperator":
        """Of codes b_l = c_l a_l of a group of levels; E without its norms is 1/2 ||signals - operator b||^2.

        Args:
            model: the hierarchy.
            group: one of its `groups`.
            scales: c_l of each level of the group.
        """
        place = {level: index for index, level in enumerate(group)}
        blocks = []
        for index, scale in zip(group, scales, strict=True):
            level, root = model.levels[index], model.weights[index] ** 0.5
            children = tuple(
                Child(place[child], model.slots[child], root / scales[place[child]])
                for child in level.below
                if child in place
            )
            blocks.append(Block(level.operator(root / scale), root / scale * level.bound**0.5, children))
        return cls(blocks)

    @property
    def atoms(self) -> Tensor:
        """The dictionary of the first block."""
        return self.blocks[0].operator.atoms

    @property
    def signal_shape(self) -> tuple[int, ...]:
        """Shape (M,) of a signal: the blocks' signals, one after the other."""
        return (sum(self._signals),)

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape (K,) of a code: the blocks' codes, one after the other."""
        return (sum(self._codes),)

    def synthesise(self, codes: Tensor) -> Tensor:
        """Codes (N, K) -> signals (N, M)."""
        by_block = codes.split(self._codes, dim=1)
        rows = []
        for block, code, size in zip(self.blocks, by_block, self._signals, strict=True):
            row = block.operator.synthesise(code.unflatten(1, block.operator.code_shape)).flatten(1)
            for child in block.children:
                below = by_block[child.place]
                if below.shape[1] < size:
                    below = F.pad(below, (child.slot.start, size - child.slot.stop))
                row = torch.sub(row, below, alpha=child.weight)
            rows.append(row)
        return torch.cat(rows, dim=1)

    def analyse(self, signals: Tensor) -> Tensor:
        """Signals (N, M) -> codes (N, K), the adjoint."""
        rows = signals.split(self._signals, dim=1)
        codes = [
            block.operator.analyse(row.unflatten(1, block.operator.signal_shape)).flatten(1)
            for block, row in zip(self.blocks, rows, strict=True)
        ]
        for block, row in zip(self.blocks, rows, strict=True):
            for child in block.children:
                codes[child.place] = torch.sub(codes[child.place], row[:, child.slot], alpha=child.weight)
        return torch.cat(codes, dim=1)

    def lipschitz(self) -> float:
        """Upper bound of the largest eigenvalue of synthesis then analysis.

        The norm of a matrix of blocks is at most that of the matrix of their norms.
        """
        norms = torch.zeros(len(self.blocks), len(self.blocks), dtype=torch.float64)
        for index, block in enumerate(self.blocks):
            norms[index, index] = block.norm
            for child in block.children:
                norms[index, child.place] = child.weight
        return float(torch.linalg.matrix_norm(norms, ord=2)) ** 2

    def to(self, dtype: torch.dtype) -> "JointOperator":
        """The same operator in another precision."""
        return JointOperator([block._replace(operator=block.operator.to(dtype)) for block in self.blocks])

    def detached(self) -> "JointOperator":
        """The same operator, a constant to autograd."""
        return JointOperator([block._replace(operator=block.operator.detached()) for block in self.blocks])
