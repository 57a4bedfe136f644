"""Batches of images through STL, as an adversary differentiates it."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from sparsecode import Gradient, convolve
from sparsecode.full_precision import full_precision
from sparsecode.value_with_gradient_of import value_with_gradient_of
from sparsefront.common.recompute_in_backward import recompute_in_backward
from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.frontends.parts.previous_codes import PreviousCodes
from sparsefront.frontends.stl.cluster_coder import ClusterCoder


@dataclass(frozen=True)
class Derivative:
    """How codes are differentiated.

    Attributes:
        gradient: `implicit` or `unrolled`, as `sparsecode.cbpdn` takes it.
        tolerance: of the codes it is taken at, where finer than the deployed one; absent: at the deployed ones.
        past_clamp: as if the output were not clamped.
        steps: iterations begun at the codes, with `unrolled`.

    Raises:
        ValueError: a number out of its range.
    """

    gradient: Gradient = "implicit"
    tolerance: float | None = None
    past_clamp: bool = False
    steps: int = 20

    def __post_init__(self) -> None:
        check_rules(at_least(1, steps=self.steps))
        check_rules(positive(tolerance=self.tolerance) if self.tolerance is not None else [])


class DifferentiableSTL:
    """T of (B, C, H, W) images in [0, 1], a bounded number at a time of those that share filters.

    The value is the deployed one, the gradient the derivative's.

    Args:
        coder: has learned.
        derivative: of the codes; absent: the gradient is that of handing the images on.
        memory: codes to start from, and where those of each call are kept; absent: every call starts cold.
    """

    def __init__(self, coder: ClusterCoder, derivative: Derivative | None, memory: PreviousCodes | None = None) -> None:
        self.coder = coder
        self.derivative = derivative
        self.memory = memory

    def __call__(self, images: Tensor) -> Tensor:
        """Rebuild (B, C, H, W) images in [0, 1]."""
        if self.derivative is None:
            with torch.no_grad():
                value = self._rebuild(images, None)
            return value_with_gradient_of(images, value)
        return self._rebuild(images, self.derivative if images.requires_grad and torch.is_grad_enabled() else None)

    @full_precision
    def _rebuild(self, images: Tensor, derivative: Derivative | None) -> Tensor:
        if not len(images):
            return images.clone()
        coder, memory = self.coder, self.memory
        working = images.to(torch.promote_types(images.dtype, torch.float32))
        clusters = coder.assign(working)
        starts = None if memory is None else memory.match(working, clusters)
        # Where one run cannot hold them, codes are computed again in the backward pass, rather than kept for all.
        again = derivative is not None and coder.exceeds_memory(working)
        runs = coder.runs(working, clusters)
        results: list[Tensor] = []
        codes: list[Tensor] = []
        for rows in runs:
            start = None if memory is None or starts is None else memory.codes(starts[rows])
            kept: list[Tensor] | None = None if memory is None else []
            rebuild = partial(self._rebuild_run, int(clusters[rows[0]]), derivative, start, kept)
            results.append(recompute_in_backward(rebuild, working[rows]) if again else rebuild(working[rows]))
            codes += kept or []
        order = torch.cat(runs).argsort()
        if memory is not None:
            memory.keep(working, clusters, torch.cat(codes).index_select(0, order))
        return torch.cat(results)[order].to(images.dtype)

    def _rebuild_run(
        self,
        cluster: int,
        derivative: Derivative | None,
        start: Tensor | None,
        kept: list[Tensor] | None,
        images: Tensor,
    ) -> Tensor:
        """T of images of one cluster; `kept`, if there is one, takes their codes as a sparse tensor."""
        coder, settings = self.coder, self.coder.settings
        filters = coder.unit_filters(cluster, images.dtype)
        low, high = coder.split(images)
        coded = coder.code(high.detach(), filters, settings.tolerance, max_steps=settings.max_iterations, start=start)
        if kept is not None:
            kept.append(coded.codes.to_sparse())
        whole = low + convolve(coded.codes, filters)
        if derivative is not None and torch.is_grad_enabled():
            finer = derivative.tolerance if derivative.tolerance is not None else settings.tolerance
            codes = coder.code(
                high,
                filters,
                min(finer, settings.tolerance),
                start=coded.state,
                gradient=derivative.gradient,
                unrolled_steps=derivative.steps,
            ).codes
            smooth = low + convolve(codes, filters)
            whole = value_with_gradient_of(smooth, whole.detach())
        return self._finish(whole, past_clamp=derivative is not None and derivative.past_clamp)

    def _finish(self, whole: Tensor, past_clamp: bool) -> Tensor:
        if self.coder.settings.rescale:
            brightest = whole.amax(dim=(1, 2, 3), keepdim=True)
            whole = whole / torch.where(brightest > 0, brightest, 1.0)
        clamped = whole.clamp(0, 1)
        return value_with_gradient_of(whole, clamped.detach()) if past_clamp else clamped
