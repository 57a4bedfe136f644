"""Total variation minimisation after a random pixel drop (Guo et al. 2018)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from sparsecode import value_with_gradient_of
from sparsefront.common.rules import at_least, check_rules, positive, unit_interval
from sparsefront.frontends.base import FrontEnd

State = tuple[Tensor, Tensor, Tensor, Tensor]  # z, its extrapolation, and the two components of the dual variable

# sigma = tau, and tau sigma times the squared norm of the differences, at most 8, must not exceed 1.
_STEP = 1 / math.sqrt(8)


class TotalVariation(FrontEnd):
    """Keeps random pixels of each image and joins them by the simplest image, in the sense of total variation.

    Guo et al. 2018 ("Countering adversarial images using input transformations", section 4.3; equations 5 and 6 of
    paper 004): with a mask X of independent entries, one a pixel and channel, 1 with probability `keep`, anew in every
    call, channel by channel

        min over z of 1/2 ||X (z - x)||^2 + weight sum over pixels of sqrt((z_down - z)^2 + (z_right - z)^2).

    The papers print the norm without its square; this is the form that the authors' code minimises. With `keep` = 1 it
    is the model of Rudin, Osher and Fatemi (1992), that of scikit-image's `denoise_tv_chambolle`, nothing is drawn,
    and the front end is deterministic. The solver is the primal-dual one of Chambolle and Pock (2011, algorithm 1)
    with tau = sigma = 1/sqrt(8), begun with dropped pixels at the mean of their kept neighbours, and run for a fixed
    number of iterations, so that an image's result is its own. What is returned is clipped to [0, 1].

    Backward modes:

    * `identity`, the default (Athalye et al. 2018, section 5.3, break it by this one and its expectation);
    * `exact`: through the drop and all iterations. Dropped pixels get gradient 0 in that draw. It keeps about
      2 sqrt(`n_iterations`) states of five images and computes the iterations three times.

    Args:
        image_shape: (C, H, W) of the images.
        weight: of the total variation; 0.03 is Guo et al.'s (section 5).
        keep: probability that a pixel is kept; 0.5 is Guo et al.'s (section 5).
        n_iterations: of the solver; 100 is the most that Guo et al.'s code allows its own.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "identity"
    draws_each_image = True

    def __init__(
        self, image_shape: tuple[int, int, int], weight: float = 0.03, keep: float = 0.5, n_iterations: int = 100
    ) -> None:
        super().__init__(image_shape)
        rules = [
            *positive(weight=weight),
            *unit_interval("1 drops no pixel", keep=keep),
            *at_least(1, n_iterations=n_iterations),
        ]
        check_rules(rules)
        self.weight, self.keep, self.n_iterations = weight, keep, n_iterations
        self.randomised = keep < 1

    def forward(self, images: Tensor) -> Tensor:
        """Drop pixels of (B, C, H, W) images and restore them."""
        mask = torch.rand(images.shape, device=images.device) < self.keep if self.keep < 1 else None
        # float32 at least: many small steps would be lost in half precision.
        pixels = images if images.dtype == torch.float64 else images.float()
        return self.minimise(pixels, mask).clamp(0, 1).to(images.dtype)

    def minimise(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return z after `n_iterations`, for (B, C, H, W) images of which a bool mask of the same shape is kept."""
        if mask is None:
            start, pull = images, torch.full_like(images, _STEP)
        else:
            kept = mask.to(images.dtype)
            start, pull = _filled(images * kept, kept), _STEP * kept
        data, shrink = pull * images / (1 + pull), 1 / (1 + pull)
        zero = torch.zeros_like(images)
        state: State = (start, start, zero, zero)
        with torch.no_grad():
            value = self._iterate_in_place(state, data, shrink)
        if not (images.requires_grad and torch.is_grad_enabled()):
            return value
        chunk = math.isqrt(self.n_iterations - 1) + 1
        for first in range(0, self.n_iterations, chunk):
            count = min(chunk, self.n_iterations - first)
            # Between the chunks' ends the states are computed again in the backward pass instead of kept.
            state = checkpoint(self._iterate, state, data, shrink, count, use_reentrant=False, preserve_rng_state=False)
        # Rounding differs between the two ways to compute it, the value must not.
        return value_with_gradient_of(state[0], value)

    def _iterate(self, state: State, data: Tensor, shrink: Tensor, count: int) -> State:
        """The iterations of `_iterate_in_place`, as autograd can follow them."""
        z, ahead, down, across = state
        for _ in range(count):
            down = torch.add(down, F.pad(ahead.diff(dim=-2), (0, 0, 0, 1)), alpha=_STEP)
            across = torch.add(across, F.pad(ahead.diff(dim=-1), (0, 1)), alpha=_STEP)
            # Onto the disc of radius `weight`; clamped before the root, whose derivative at 0 is infinite.
            scale = torch.addcmul(down * down, across, across).clamp(min=self.weight**2).rsqrt() * self.weight
            down, across = down * scale, across * scale
            # The last row of `down` and the last column of `across` are 0 throughout.
            moved = torch.add(z, down, alpha=_STEP)
            moved = torch.add(moved, F.pad(down[..., :-1, :], (0, 0, 1, 0)), alpha=-_STEP)
            moved = torch.add(moved, across, alpha=_STEP)
            moved = torch.add(moved, F.pad(across[..., :-1], (1, 0)), alpha=-_STEP)
            moved = torch.addcmul(data, moved, shrink)
            z, ahead = moved, torch.add(-z, moved, alpha=2)
        return z, ahead, down, across

    def _iterate_in_place(self, state: State, data: Tensor, shrink: Tensor) -> Tensor:
        """All iterations without a derivative, in the same few tensors."""
        z, ahead, down, across = (tensor.clone() for tensor in state)
        scale, moved = torch.empty_like(z), torch.empty_like(z)
        for _ in range(self.n_iterations):
            difference = torch.sub(ahead[..., 1:, :], ahead[..., :-1, :], out=moved[..., 1:, :])
            down[..., :-1, :].add_(difference, alpha=_STEP)
            difference = torch.sub(ahead[..., 1:], ahead[..., :-1], out=moved[..., 1:])
            across[..., :-1].add_(difference, alpha=_STEP)
            torch.mul(down, down, out=scale).addcmul_(across, across)
            scale.clamp_(min=self.weight**2).rsqrt_().mul_(self.weight)
            down.mul_(scale)
            across.mul_(scale)
            torch.add(z, down, alpha=_STEP, out=moved)
            moved[..., 1:, :].sub_(down[..., :-1, :], alpha=_STEP)
            moved.add_(across, alpha=_STEP)
            moved[..., 1:].sub_(across[..., :-1], alpha=_STEP)
            torch.addcmul(data, moved, shrink, out=moved)
            torch.neg(z, out=ahead).add_(moved, alpha=2)
            z, moved = moved, z
        return z


def _filled(kept_pixels: Tensor, kept: Tensor) -> Tensor:
    """Dropped pixels get the mean of the kept ones among their eight neighbours, or else of the whole channel."""
    total, count = _neighbours(kept_pixels), _neighbours(kept)
    everywhere = kept.sum(dim=(-2, -1), keepdim=True)
    mean = kept_pixels.sum(dim=(-2, -1), keepdim=True) / everywhere.clamp(min=1)
    filling = torch.where(count > 0, total / count.clamp(min=1), mean)
    return torch.where(kept > 0, kept_pixels, filling)


def _neighbours(planes: Tensor) -> Tensor:
    """Sum over each pixel's 3 x 3 window, 0 outside the image."""
    rows = F.pad(planes, (0, 0, 1, 1))
    rows = rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]
    both = F.pad(rows, (1, 1))
    return both[..., :-2] + both[..., 1:-1] + both[..., 2:]
