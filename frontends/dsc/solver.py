"""How deep sparse coding brings codes to rest."""

from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

import torch
from torch import Tensor

from sparsecode.checks import warn_unless
from sparsecode.hierarchy.euler import Euler
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.hierarchy.proximal import Proximal
from sparsefront.common.rules import at_least, check_rules, one_of, positive

Solver = Literal["proximal", "euler"]
Signals = list[Tensor | None]

_MAX_BYTES = 2**28  # of working memory; images are taken in runs to keep it
_MAPS = 6  # of the size of codes, twice, and of what they reconstruct that an image of a run needs at once


@dataclass(frozen=True)
class DSCSolver:
    """Brings codes to rest, and gives them a gradient there.

    The settings are those of `DSC`.

    Raises:
        ValueError: a setting out of range.
    """

    solver: Solver
    tolerance: float
    max_steps: int
    tau: float | None

    def __post_init__(self) -> None:
        rules = [
            *one_of(get_args(Solver), solver=self.solver),
            *positive(tolerance=self.tolerance),
            *at_least(1, max_steps=self.max_steps),
            *(positive(tau=self.tau) if self.tau is not None else []),
            (
                self.tau is None or self.solver == "euler",
                f"`tau` must be left out with `solver: proximal`, which has no time, found {self.tau}.",
            ),
        ]
        check_rules(rules)

    def runs(self, model: Hierarchy, images: Tensor) -> tuple[Tensor, ...]:
        """The images' numbers, as many at a time as memory holds."""
        size = 2 * sum(model.sizes) + sum(prod(level.shape) for level in model.levels)
        each = _MAPS * size * images.element_size()
        return torch.arange(len(images), device=images.device).split(max(_MAX_BYTES // each, 1)) if len(images) else ()

    def solve(self, model: Hierarchy, given: Signals, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Codes at rest, from others or from none, and bool (N,): which rest."""
        if self.solver == "proximal":
            return self.minimise(model, given, self.tolerance, start)
        potentials = _none(model, given) if start is None else model.balance(start, given)
        return Euler(model, self.tau).settle(potentials, given, self.tolerance, self.max_steps)

    def minimise(
        self, model: Hierarchy, given: Signals, tolerance: float, start: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The same by proximal steps, up to another tolerance."""
        start = _none(model, given) if start is None else start
        return Proximal(model, _MAX_BYTES).minimise(start, given, tolerance, self.max_steps)

    def differentiate(self, model: Hierarchy, codes: Tensor, given: Signals, steps: int | None) -> Tensor:
        """Give codes at rest the gradient of so many last steps, or, where absent, of the fixed point."""
        if steps is not None and self.solver == "euler":
            return Euler(model, self.tau).repeat(codes, given, steps)
        return Proximal(model, _MAX_BYTES).differentiate(codes, given, steps)

    def report(self, converged: Tensor) -> None:
        """Warn of images whose codes are not at rest."""
        mend = "raise `max_steps` or `tolerance`"
        warn_unless(converged, "DSC", f"{mend}, or `tau` where it does not rest at all" if self.tau else mend)


def _none(model: Hierarchy, given: Signals) -> Tensor:
    """No code of any neuron, which is also no potential."""
    first = next(signal for signal in given if signal is not None)
    return first.new_zeros(len(first), sum(model.sizes))
