"""Matching pursuit of changed correlations."""

import torch
from torch import Tensor

from sparsefront.common.changes import kinds
from sparsefront.common.changes.step import Numbers, Step


class Pursuit(Step):
    """Codes of one or two atoms at each position, from its correlations with all: those of `sparsecode.omp`.

    Only where next to nothing is left for the second atom they differ: `omp` stops below what rounding leaves.

    Of the two, the second's coefficient is b = (c_j - g c_i) / (1 - g^2) and the first's c_i - g b, c the correlations
    and g = <d_i, d_j>.

    Args:
        dictionary: (m, L), of unit norm.
        atoms: that are chosen at most, 1 or 2.
        order_recursive: whether the second is the one that lowers the residual most, by (c_j - g c_i)^2 / (1 - g^2),
            not the one most correlated with what the first leaves, by |c_j - g c_i|.
    """

    kind = kinds.PURSUIT

    def __init__(self, dictionary: Tensor, atoms: int, order_recursive: bool) -> None:
        self.gram = dictionary.T @ dictionary
        self.atoms, self.order_recursive = atoms, order_recursive

    def whole(self, maps: Tensor) -> Tensor:
        """Codes (B, H, W, L + 1) of correlations (B, H, W, L + 1); the last channel is handed on."""
        correlations, codes = maps[..., :-1], torch.zeros_like(maps)
        codes[..., -1:] = maps[..., -1:]
        first = correlations.abs().argmax(dim=-1, keepdim=True)
        lead = correlations.gather(-1, first)
        if self.atoms == 1:
            return codes.scatter_(-1, first, lead)
        coupling = self.gram[first.squeeze(-1)]
        residual, outside = correlations - lead * coupling, 1 - coupling.square()
        scores = residual.square() / outside if self.order_recursive else residual.abs()
        scores = scores.masked_fill(outside <= self._least, 0).scatter_(-1, first, 0)
        score, second = scores.max(dim=-1, keepdim=True)
        added = (residual.gather(-1, second) / outside.gather(-1, second)).masked_fill(score == 0, 0)
        codes.scatter_(-1, second, added)
        return codes.scatter_(-1, first, lead - coupling.gather(-1, second) * added)

    def numbers(self, height: int, width: int) -> Numbers:
        """How many atoms, which rule, what is left of an atom that nearly lies along the first; products of atoms."""
        return Numbers((self.atoms, int(self.order_recursive)), (self._least,), weights=self.gram.flatten())

    @property
    def _least(self) -> float:
        """As `omp` has it."""
        epsilon = torch.finfo(self.gram.dtype).eps
        return epsilon**0.5 if self.order_recursive else 10 * epsilon
