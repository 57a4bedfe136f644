"""Batches of images through deep sparse coding, as an adversary differentiates it."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sparsecode.full_precision import full_precision
from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsefront.common.recompute_in_backward import recompute_in_backward
from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.frontends.parts.previous_codes import PreviousCodes

if TYPE_CHECKING:
    from sparsefront.frontends.dsc.dsc import DSC


@dataclass(frozen=True)
class Derivative:
    """How codes are differentiated; a number out of its range is a ValueError."""

    steps: int | None = None  # through so many last steps of the solver; absent: implicitly
    tolerance: float | None = None  # of the codes it is taken at, where finer than the deployed one
    past_clamp: bool = False  # as if the output were not clamped
    silent: bool = False  # whether a neuron without a code has the gradient of its potential, in place of none

    def __post_init__(self) -> None:
        check_rules(at_least(1, steps=self.steps) if self.steps is not None else [])
        check_rules(positive(tolerance=self.tolerance) if self.tolerance is not None else [])


class _Seen(NamedTuple):
    """Of the runs of a call, the codes to remember, sparse (B, K, 1, 1), and which came to rest."""

    codes: list[Tensor]
    converged: list[Tensor]


class DifferentiableDSC:
    """T of (B, C, H, W) images, a bounded number at a time.

    Args:
        owner: the front end.
        derivative: of the codes; absent: the gradient is that of handing the images on.
        warm: whether an image starts from the codes of the nearest one in the call before.
    """

    def __init__(self, owner: "DSC", derivative: Derivative | None, warm: bool = False) -> None:
        self.owner, self.derivative = owner, derivative
        self.memory = PreviousCodes() if warm else None

    def __call__(self, images: Tensor) -> Tensor:
        """Images, or codes (B, K, h, w)."""
        derivative = self.derivative if images.requires_grad and torch.is_grad_enabled() else None
        with torch.set_grad_enabled(derivative is not None):
            value = self._map(images, derivative)
        return (
            value if self.derivative is not None else value + (images - images.detach())
        )  # what is added is exactly 0

    @full_precision
    def _map(self, images: Tensor, derivative: Derivative | None) -> Tensor:
        owner, memory = self.owner, self.memory
        owner.check_learned()
        (signals,) = owner.signals(images.detach())
        model = owner.hierarchy(dtype=signals.dtype)
        groups = torch.zeros(len(images), dtype=torch.long, device=images.device)
        starts = None if memory is None else memory.match(images, groups)
        runs = owner.solver.runs(model, signals)
        if not runs:
            return images.sum() + images.new_zeros(0, *self._shape(model))
        parts, seen = [], _Seen([], [])
        for rows in runs:
            start = None if memory is None or starts is None else memory.codes(starts[rows])
            run = partial(self._run, model, derivative, start, seen)
            # Where one run cannot hold them, codes are found again in the backward pass, rather than kept for all.
            again = derivative is not None and len(runs) > 1
            parts.append(recompute_in_backward(run, images[rows]) if again else run(images[rows]))
        owner.solver.report(torch.cat(seen.converged))
        if memory is not None:
            memory.keep(images, groups, torch.cat(seen.codes))
        seen.codes.clear()
        return torch.cat(parts).to(images.dtype)

    @full_precision  # in the backward pass too
    def _run(
        self, model: Hierarchy, derivative: Derivative | None, start: Tensor | None, seen: "_Seen", images: Tensor
    ) -> Tensor:
        """T of some images, from the codes (B, K, 1, 1) of others."""
        solver = self.owner.solver
        (signals,) = self.owner.signals(images)
        with torch.no_grad():
            given = model.given([signals.detach()])
            codes, converged = solver.solve(model, given, None if start is None else start.flatten(1))
            value = self._finish(model, codes, images)
            if self.memory is not None:
                seen.codes.append(codes[:, :, None, None].to_sparse())
        if derivative is None or not torch.is_grad_enabled():
            seen.converged.append(converged)
            return value
        if derivative.tolerance is not None and derivative.tolerance < solver.tolerance:
            codes, closer = solver.minimise(model, given, derivative.tolerance, codes)
            converged = converged & closer
        seen.converged.append(converged)
        given = model.given([signals])  # with their graph
        codes = solver.differentiate(model, codes, given, derivative.steps)
        if derivative.silent:
            potentials = model.balance(codes, given)
            codes = torch.where(codes == 0, potentials - potentials.detach(), codes)
        smooth = self._finish(model, codes, images, derivative.past_clamp)
        return value + (smooth - smooth.detach())  # what is added is exactly 0

    def _finish(self, model: Hierarchy, codes: Tensor, images: Tensor, past_clamp: bool = False) -> Tensor:
        if not self.owner.returns_images:
            return model.split(codes)[-1].reshape(len(codes), *self._shape(model))
        whole = self.owner.rebuild(model, model.split(codes)[0], images)
        clamped = whole.clamp(0, 1)
        return clamped.detach() + (whole - whole.detach()) if past_clamp else clamped

    def _shape(self, model: Hierarchy) -> tuple[int, ...]:
        """Of an image's result: (C, H, W), or of a code with (K,) as (K, 1, 1)."""
        shape = self.owner.image_shape if self.owner.returns_images else model.operators[-1].code_shape
        return (*shape, *[1] * (3 - len(shape)))
