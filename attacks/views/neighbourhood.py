"""A view whose gradient is averaged around each image."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsefront.attacks.parts.balls import random_point
from sparsefront.attacks.parts.differentiation import input_gradient
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.views.view import Logits, Meter, unmetered
from sparsefront.attacks.views.wrapped_view import WrappedView
from sparsefront.common.noise import uniform
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules

POINTS_AT_ONCE = 128  # images that a smoothed gradient puts through the model together


@dataclass(frozen=True)
class Neighbourhood(WrappedView):
    """Another view's value, with its gradient averaged over points around each image (paper 001, A.6).

    A value that jumps, as that of a front end which keeps the largest coefficients does, has a gradient that says
    little of the next step; the mean over a neighbourhood says more.

    Args:
        view: what the adversary knows.
        radius: of the Linf neighbourhood in [0, 1] pixel units; `8/255` is read. The paper does not give its own.
        n_samples: points a gradient; each costs a forward and a backward pass.
        seed: of the points, the same around every image; they depend on (seed, radius) alone.
        mirrored: a pixel of a point that would leave [0, 1] lies as far on the other side of the image's, in place of
            being clipped. Clipped, half of the points around a black pixel have one and the same value, whose slope may
            be anything: write true where a model hides its gradients.

    Raises:
        ValueError: a setting out of range.
    """

    radius: PixelSize = "2/255"
    n_samples: int = 40
    seed: int = 0
    mirrored: bool = False

    def __post_init__(self) -> None:
        check_rules([*radius_rules("Linf", radius=float(self.radius)), *at_least(1, n_samples=self.n_samples)])

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Smooth the inner view's gradient."""
        logits = self.view(model, meter)
        return lambda images: _MeanGradient.apply(images, logits, self._offsets(images), self.mirrored)

    def _offsets(self, images: Tensor) -> Tensor:
        """Of the points from their image, (n_samples, C, H, W)."""
        places = torch.arange(self.n_samples, device=images.device)
        draws = uniform(places, images.shape[1:], seed=self.seed, stream=-3).to(images.dtype)
        return random_point(draws, draws, float(self.radius), "Linf")


class _MeanGradient(torch.autograd.Function):
    """The value of a function at images, the mean of its gradients at images + offsets, led back to [0, 1]."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, function: Logits, offsets: Tensor, mirrored: bool) -> Tensor:
        """(B, C, H, W), then offsets (N, C, H, W) -> (B, K)."""
        ctx.function, ctx.mirrored = function, mirrored
        ctx.save_for_backward(images, offsets)
        return function(images)

    @staticmethod
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None, None]:
        """Weights (B, K) of the logits -> (B, C, H, W)."""
        images, offsets = ctx.saved_tensors
        total = torch.zeros_like(images)
        # As many points at once as make a batch of this size, and at least one: memory does not grow with their number.
        for some in offsets.split(max(1, POINTS_AT_ONCE // len(images))):
            with torch.enable_grad():
                points = images + some[:, None]
                if ctx.mirrored:
                    points = torch.where((points < 0) | (points > 1), 2 * images - points, points)
                points = points.clamp(0, 1).flatten(0, 1).detach().requires_grad_()
                gradient = input_gradient(ctx.function(points), points, weights.repeat(len(some), 1))
            total += gradient.view(len(some), *images.shape).sum(dim=0)
        return total / len(offsets), None, None, None
