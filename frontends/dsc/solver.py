"""How deep sparse coding brings codes to rest."""

from dataclasses import dataclass
from math import prod
from typing import Literal, get_args

import torch
from torch import Tensor

from sparsecode.checks import warn_unless
from sparsecode.hierarchy import CoordinateDescent, Euler, Hierarchy, Proximal
from sparsefront.common.bounded_memory import split_by_memory
from sparsefront.common.rules import at_least, check_rules, one_of, positive
from sparsefront.common.settings import checked_settings

Method = Literal["coordinate", "proximal", "euler"]
Signals = list[Tensor | None]

_MAX_BYTES = 2**28  # of working memory; images are taken in runs to keep it
_MAX_TABLES = 2**28  # bytes of tables of overlaps
_MAPS = 6  # of the size of codes, twice, and of what they reconstruct that an image of a run needs at once


@checked_settings
@dataclass(frozen=True)
class DSCSolver:
    """Brings the codes of a `Hierarchy` to rest, image by image, and gives them a gradient there.

    Attributes:
        method: to the least energy by `coordinate`, one code after the other, compiled, on a CPU, and where that cannot
            work as `proximal`; by `proximal`, accelerated steps in all codes together; or `euler`, the published
            dynamics, which end at the same codes much later.
        tolerance: of rest, in thresholds: no code would move by more if its potential were in balance.
        max_steps: most steps, of `coordinate` rounds through all codes.
        tau: time constant of `euler`, in steps; absent: the shortest that is sure to be stable.

    Raises:
        ValueError: a setting out of range.
    """

    method: Method = "coordinate"
    tolerance: float = 1e-2
    max_steps: int = 5000
    tau: float | None = None

    def __post_init__(self) -> None:
        rules = [
            *one_of(get_args(Method), method=self.method),
            *positive(tolerance=self.tolerance),
            *at_least(1, max_steps=self.max_steps),
            *(positive(tau=self.tau) if self.tau is not None else []),
            (
                self.tau is None or self.method == "euler",
                f"`tau` must be left out with `method: {self.method}`, which has no time, found {self.tau}.",
            ),
        ]
        check_rules(rules)

    def runs(self, hierarchy: Hierarchy, images: Tensor) -> tuple[Tensor, ...]:
        """Row numbers of (B, ...) images, int64, as many at a time as memory holds; none for an empty batch."""
        size = 2 * sum(hierarchy.sizes) + sum(prod(level.shape) for level in hierarchy.levels)
        each = _MAPS * size * images.element_size()
        return split_by_memory(torch.arange(len(images), device=images.device), each, _MAX_BYTES) if len(images) else ()

    def solve(self, hierarchy: Hierarchy, signals: Signals, start: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Find the codes at rest.

        Args:
            hierarchy: the layers.
            signals: of each of its levels, None for those that have one below (`Hierarchy.given`).
            start: codes (N, sum of `sizes`) to start from; absent: none of any neuron.

        Returns:
            Codes (N, sum of `sizes`), and bool (N,): which rest.
        """
        if self.method != "euler":
            return self.minimise(hierarchy, signals, self.tolerance, start)
        potentials = _blank(hierarchy, signals) if start is None else hierarchy.balance(start, signals)
        return Euler(hierarchy, self.tau).settle(potentials, signals, self.tolerance, self.max_steps)

    def minimise(
        self, hierarchy: Hierarchy, signals: Signals, tolerance: float, start: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As `solve`, to the least energy whatever the method, up to another tolerance."""
        start = _blank(hierarchy, signals) if start is None else start
        if self.method != "proximal" and hierarchy.can_be_compiled(_MAX_TABLES):
            return CoordinateDescent(hierarchy).minimise(start, signals, tolerance, self.max_steps)
        return Proximal(hierarchy, _MAX_BYTES).minimise(start, signals, tolerance, self.max_steps)

    def differentiate(self, hierarchy: Hierarchy, codes: Tensor, signals: Signals, steps: int | None) -> Tensor:
        """Return codes at rest with the gradient, with respect to the signals, of so many last steps.

        Where `steps` is absent, with that of the fixed point.
        """
        if steps is not None and self.method == "euler":
            return Euler(hierarchy, self.tau).repeat(codes, signals, steps)
        return Proximal(hierarchy, _MAX_BYTES).differentiate(codes, signals, steps)

    def report(self, converged: Tensor) -> None:
        """Warn (`sparsecode.NotConverged`) of images whose codes are not at rest, given bool (B,)."""
        mend = "raise `max_steps` or `tolerance`"
        warn_unless(converged, "DSC", f"{mend}, or `tau` where it does not rest at all" if self.tau else mend)


def _blank(hierarchy: Hierarchy, signals: Signals) -> Tensor:
    """No code of any neuron, which is also no potential."""
    first = next(signal for signal in signals if signal is not None)
    return first.new_zeros(len(first), sum(hierarchy.sizes))
