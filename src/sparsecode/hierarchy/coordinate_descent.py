"""Coordinate descent to the least energy of a hierarchy."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sparsecode.hierarchy._overlaps import Overlaps
from sparsecode.hierarchy.hierarchy import Hierarchy


class CoordinateDescent:
    """Minimises the energy of a `Hierarchy` group by group, one code after the other, compiled, on a CPU.

    Codes are sparse: nearly all codes stay at 0, and one that moves reaches only few others. So this needs a small part
    of the products that steps in all codes together do.

    Args:
        model: the hierarchy; it must be one that `can_be_compiled`.
    """

    def __init__(self, model: Hierarchy) -> None:
        self.model = model

    @torch.no_grad()
    def minimise(
        self, start: Tensor, signals: Sequence[Tensor | None], tolerance: float, max_rounds: int
    ) -> tuple[Tensor, Tensor]:
        """Move codes until all rest.

        Args:
            start: codes (N, sum of `sizes`) to start from.
            signals: of each level, None for those that have one below.
            tolerance: of rest.
            max_rounds: most rounds of a group, each of which looks at all its codes.

        Returns:
            Codes, and bool (N,): which rest.
        """
        by_level = list(start.split(self.model.sizes, dim=1))
        converged = torch.ones(len(start), dtype=torch.bool)
        for group, overlaps in zip(self.model.groups, self.model.overlaps, strict=True):
            codes = self.model.atoms_last(group, torch.cat([by_level[index] for index in group], dim=1))
            given = [self._given(index, group, by_level, signals) for index in group]
            drive = self.model.atoms_last(group, torch.cat(given, dim=1))
            converged &= self._descend(overlaps, codes, drive, tolerance, max_rounds)
            codes = self.model.atoms_first(group, codes)
            for index, code in zip(group, codes.split([self.model.sizes[n] for n in group], dim=1), strict=True):
                by_level[index] = code
        return torch.cat(by_level, dim=1), converged

    def _descend(self, overlaps: Overlaps, codes: Tensor, drive: Tensor, tolerance: float, max_rounds: int) -> Tensor:
        """Overwrite codes (N, K), atoms last, by those at rest; bool (N,): which are."""
        from sparsecode._native.hierarchy import descend
        from sparsecode._native.parallel import over_signals

        done = torch.zeros(len(codes), dtype=torch.bool)
        tables = overlaps.levels, overlaps.links, overlaps.kinds, overlaps.tables, overlaps.reals, overlaps.bends
        given, results = drive.numpy(), (codes.numpy(), done.numpy())
        least = given.dtype.type(tolerance)
        over_signals(
            lambda first, last: descend(*tables, given, least, max_rounds, *results, first, last),
            len(codes),
            smallest=1,
        )
        return done

    def _given(
        self, index: int, group: Sequence[int], codes: Sequence[Tensor], signals: Sequence[Tensor | None]
    ) -> Tensor:
        """What drives a level's codes where all of its group are 0, flat."""
        level, signal = self.model.levels[index], signals[index]
        if signal is None:
            if all(child in group for child in level.below):
                return torch.zeros_like(codes[index])
            parts = [torch.zeros_like(codes[n]) if n in group else codes[n] for n in level.below]
            signal = torch.cat(parts, dim=1)
        return self.model.operators[index].analyse(signal.reshape(len(signal), *level.shape)).flatten(1)
