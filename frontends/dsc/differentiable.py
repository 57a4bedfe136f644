"""Batches of images through deep sparse coding, as an adversary differentiates it."""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from sparsecode.full_precision import full_precision
from sparsecode.hierarchy import Hierarchy
from sparsecode.value_with_gradient_of import value_with_gradient_of
from sparsefront.common.recompute_in_backward import recompute_in_backward
from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.frontends.dsc.network import DSCNetwork
from sparsefront.frontends.parts.previous_codes import PreviousCodes


@dataclass(frozen=True)
class Derivative:
    """How codes are differentiated.

    Attributes:
        steps: through so many last steps of the solver; absent: implicitly.
        tolerance: of the codes it is taken at, where finer than the deployed one; absent: at the deployed ones.
        past_clamp: as if the output were not clamped.
        silent: whether a neuron without a code has the gradient of its potential, in the place of none.

    Raises:
        ValueError: a number out of its range.
    """

    steps: int | None = None
    tolerance: float | None = None
    past_clamp: bool = False
    silent: bool = False

    def __post_init__(self) -> None:
        check_rules(at_least(1, steps=self.steps) if self.steps is not None else [])
        check_rules(positive(tolerance=self.tolerance) if self.tolerance is not None else [])


@dataclass
class _Kept:
    """Of the runs of a call, the codes to remember, sparse (B, K, 1, 1), and which came to rest."""

    codes: list[Tensor] = field(default_factory=list)
    converged: list[Tensor] = field(default_factory=list)


class DifferentiableDSC:
    """T of (B, C, H, W) images, a bounded number at a time: (B, C, H, W) images in [0, 1], or codes (B, K, h, w).

    The value is the deployed one, the gradient the derivative's.

    Args:
        network: has learned.
        returns_images: whether T is the reconstruction, or the top layer's code.
        derivative: of the codes; absent: the gradient is that of handing the images on.
        warm: whether an image starts from the codes of the nearest one in the call before.
    """

    def __init__(
        self, network: DSCNetwork, returns_images: bool, derivative: Derivative | None, warm: bool = False
    ) -> None:
        self.network = network
        self.returns_images = returns_images
        self.derivative = derivative
        self.memory = PreviousCodes() if warm else None

    def __call__(self, images: Tensor) -> Tensor:
        """Images, or codes (B, K, h, w), of (B, C, H, W) images."""
        derivative = self.derivative if images.requires_grad and torch.is_grad_enabled() else None
        with torch.set_grad_enabled(derivative is not None):
            value = self._map(images, derivative)
        return value if self.derivative is not None else value_with_gradient_of(images, value)

    @full_precision
    def _map(self, images: Tensor, derivative: Derivative | None) -> Tensor:
        solver, memory = self.network.solver, self.memory
        (signals,) = self.network.signals(images.detach())
        hierarchy = self.network.hierarchy(dtype=signals.dtype)
        groups = torch.zeros(len(images), dtype=torch.long, device=images.device)
        starts = None if memory is None else memory.match(images, groups)
        runs = solver.runs(hierarchy, signals)
        if not runs:
            return images.sum() + images.new_zeros(0, *self._shape(hierarchy))
        results: list[Tensor] = []
        kept = _Kept()
        for rows in runs:
            start = None if memory is None or starts is None else memory.codes(starts[rows])
            run = partial(self._run, hierarchy, derivative, start, kept)
            # Where one run cannot hold them, codes are computed again in the backward pass, rather than kept for all.
            again = derivative is not None and len(runs) > 1
            results.append(recompute_in_backward(run, images[rows]) if again else run(images[rows]))
        solver.report(torch.cat(kept.converged))
        if memory is not None:
            memory.keep(images, groups, torch.cat(kept.codes))
        kept.codes.clear()
        return torch.cat(results).to(images.dtype)

    @full_precision  # in the backward pass too
    def _run(
        self, hierarchy: Hierarchy, derivative: Derivative | None, start: Tensor | None, kept: _Kept, images: Tensor
    ) -> Tensor:
        """T of some images, from the codes (B, K, 1, 1) of others."""
        solver = self.network.solver
        (signals,) = self.network.signals(images)
        with torch.no_grad():
            constants = hierarchy.given([signals.detach()])
            codes, converged = solver.solve(hierarchy, constants, None if start is None else start.flatten(1))
            value = self._finish(hierarchy, codes, images)
            if self.memory is not None:
                kept.codes.append(codes[:, :, None, None].to_sparse())
        if derivative is None or not torch.is_grad_enabled():
            kept.converged.append(converged)
            return value
        if derivative.tolerance is not None and derivative.tolerance < solver.tolerance:
            codes, closer = solver.minimise(hierarchy, constants, derivative.tolerance, codes)
            converged = converged & closer
        kept.converged.append(converged)
        with_graph = hierarchy.given([signals])
        codes = solver.differentiate(hierarchy, codes, with_graph, derivative.steps)
        if derivative.silent:
            potentials = hierarchy.balance(codes, with_graph)
            silent = value_with_gradient_of(potentials, torch.zeros_like(potentials))
            codes = torch.where(codes == 0, silent, codes)
        smooth = self._finish(hierarchy, codes, images, derivative.past_clamp)
        return value_with_gradient_of(smooth, value)

    def _finish(self, hierarchy: Hierarchy, codes: Tensor, images: Tensor, past_clamp: bool = False) -> Tensor:
        if not self.returns_images:
            return hierarchy.split(codes)[-1].reshape(len(codes), *self._shape(hierarchy))
        whole = self.network.rebuild(hierarchy, hierarchy.split(codes)[0], images)
        clamped = whole.clamp(0, 1)
        return value_with_gradient_of(whole, clamped.detach()) if past_clamp else clamped

    def _shape(self, hierarchy: Hierarchy) -> tuple[int, ...]:
        """Of an image's result: (C, H, W), or of a code with (K,) as (K, 1, 1)."""
        shape = self.network.image_shape if self.returns_images else hierarchy.operators[-1].code_shape
        return (*shape, *[1] * (3 - len(shape)))
