"""Proximal steps to the least energy of a hierarchy."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from sparsecode._accelerated import accelerate, unroll
from sparsecode._implicit import differentiate_implicitly
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.hierarchy.joint_operator import JointOperator
from sparsecode.value_with_gradient_of import value_with_gradient_of

_MOST_STEPS = 1000  # of conjugate gradients
_AT_LEAST = 16  # signals whose products are taken together: a large dictionary is read as often for one


class Proximal:
    """Minimises the energy of a `Hierarchy` group by group, in all codes of a group together.

    Args:
        model: the hierarchy.
        max_bytes: working memory.
    """

    def __init__(self, model: Hierarchy, max_bytes: int = 2**28) -> None:
        self.model = model
        self.max_bytes = max_bytes
        self.groups = [_Group(model, number) for number in range(len(model.groups))]

    @torch.no_grad()
    def minimise(
        self, start: Tensor, signals: Sequence[Tensor | None], tolerance: float, max_steps: int
    ) -> tuple[Tensor, Tensor]:
        """Take accelerated steps to rest.

        Args:
            start: codes (N, sum of `sizes`) to start from.
            signals: of each level, None for those that have one below.
            tolerance: of rest.
            max_steps: most steps of a group.

        Returns:
            Codes, and bool (N,): which rest.
        """
        by_level = list(start.split(self.model.sizes, dim=1))
        converged = torch.ones(len(start), dtype=torch.bool, device=start.device)
        for group in self.groups:
            solution, rests = accelerate(
                group.target(by_level, signals),
                group.operator,
                group.scaled(by_level),
                prox=group.prox,
                gap=group.unrest,
                polish=None,
                tolerance=tolerance,
                max_steps=max_steps,
                max_bytes=self.max_bytes,
                at_least=_AT_LEAST,
            )
            converged &= rests
            for index, code in group.unscaled(solution):
                by_level[index] = code
        return torch.cat(by_level, dim=1), converged

    def differentiate(self, codes: Tensor, signals: Sequence[Tensor | None], steps: int | None) -> Tensor:
        """Give minimising codes a gradient with respect to the signals.

        Args:
            codes: (N, sum of `sizes`), as from `minimise`.
            signals: with their graph.
            steps: through so many steps begun at the codes; absent: through the conditions that the codes meet on their
                support, group by group.

        Returns:
            The same codes.
        """
        by_level = list(codes.split(self.model.sizes, dim=1))
        for group in self.groups:
            target = group.target(by_level, signals)
            b = group.scaled(by_level)
            if steps is None:
                solve = group.solve if self.model.can_be_compiled(self.max_bytes) else None
                b = differentiate_implicitly(b, target, group.operator, max_bytes=self.max_bytes, solve=solve)
            else:
                b = unroll(b, target, group.operator, group.prox, steps)
            for index, code in group.unscaled(b):
                by_level[index] = value_with_gradient_of(code, by_level[index])
        return torch.cat(by_level, dim=1)


class _Group:
    """The energy of levels that feedback joins, as the LASSO of one operator in b_l = c_l a_l.

        E = 1/2 ||target - operator b||^2 + sum_l w_l m_l lmbda_l / c_l ||b_l||_1.

    With the square root of the bounds as c it would be as steep in every level. But sparse codes hardly feel the
    steepest directions of a level, such as the mean that many atoms share; a little less serves better.
    """

    def __init__(self, model: Hierarchy, number: int) -> None:
        self.model = model
        self.number = number
        self.levels = levels = model.groups[number]
        self.roots = [model.weights[n] ** 0.5 for n in levels]
        bounds = [model.levels[n].bound + model.pulls[n] for n in levels]
        self.scales = [root * bound**0.4 for root, bound in zip(self.roots, bounds, strict=True)]
        self.operator = JointOperator.of(model, levels, self.scales)
        norms = [model.weights[n] * model.masses[n] * model.levels[n].lmbda for n in levels]
        atoms = model.levels[0].atoms
        triples = zip(levels, norms, self.scales, strict=True)
        self.penalties = torch.cat([atoms.new_full((model.sizes[n],), norm / scale) for n, norm, scale in triples])

    def target(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> Tensor:
        """What the levels reconstruct beside each other's codes, (N, M)."""
        rows = []
        for index, root in zip(self.levels, self.roots, strict=True):
            signal = signals[index]
            below = [signal] if signal is not None else [
                torch.zeros_like(codes[child]) if child in self.levels else codes[child]
                for child in self.model.levels[index].below
            ]  # fmt: skip
            rows += [root * read.flatten(1) for read in below]
        return torch.cat(rows, dim=1)

    def prox(self, points: Tensor, size: Tensor) -> Tensor:
        """The proximal step of `size` times the norms."""
        if self.model.positive:
            return torch.addcmul(points, size, self.penalties, value=-1).clamp_min_(0)
        bound = size * self.penalties
        return points - points.clamp(-bound, bound)

    def unrest(self, codes: Tensor, slack: Tensor, *_: Tensor) -> Tensor:
        """`Hierarchy.unrest` of b, from the slack of its least squares."""
        # -1 / w_l times the derivative by a_l is c_l / w_l times the one by b_l.
        rates = [self.model.weights[n] / scale for n, scale in zip(self.levels, self.scales, strict=True)]
        ups = self._divided(slack, rates)
        pairs = zip(self.unscaled(codes), ups, strict=True)
        return torch.stack([self.model.distance(index, code, up) for (index, code), (_, up) in pairs]).amax(dim=0)

    def scaled(self, codes: Sequence[Tensor]) -> Tensor:
        """The b of codes of all levels."""
        return torch.cat([scale * codes[n] for n, scale in zip(self.levels, self.scales, strict=True)], dim=1)

    def unscaled(self, codes: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Of b, (number of the level, codes) of each."""
        return self._divided(codes, self.scales)

    def solve(self, right: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Solve operator^T operator x = right on the supports of b, x 0 off them, compiled; bool (N,): where it did."""
        from sparsecode._native.hierarchy import solve_on_support
        from sparsecode._native.parallel import over_signals

        support, target = (self.model.atoms_last(self.levels, flat).numpy() for flat in (codes, right))
        overlaps = self.model.overlaps[self.number]
        # b = c a, so that E bends by b as by a, over c each time.
        weights = np.array([[self.model.weights[n], 1 / c] for n, c in zip(self.levels, self.scales, strict=True)])
        tables = overlaps.levels, overlaps.links, overlaps.kinds, overlaps.tables, overlaps.reals, weights
        solved, done = torch.zeros_like(right), torch.zeros(len(right), dtype=torch.bool)
        results = solved.numpy(), done.numpy()
        precise = torch.finfo(right.dtype).eps ** 0.75
        over_signals(
            lambda first, last: solve_on_support(*tables, support, target, precise, _MOST_STEPS, *results, first, last),
            len(right),
            smallest=1,
        )
        return self.model.atoms_first(self.levels, solved), done

    def _divided(self, codes: Tensor, by: Sequence[float]) -> Iterator[tuple[int, Tensor]]:
        by_level = codes.split([self.model.sizes[n] for n in self.levels], dim=1)
        return ((n, code / scale) for n, code, scale in zip(self.levels, by_level, by, strict=True))
