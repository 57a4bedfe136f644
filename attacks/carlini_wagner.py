"""The attack of Carlini and Wagner."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.minimum_norm import MinimumNorm, lead_of
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.common.rules import at_least, check_rules, not_negative, positive

GAIN = 0.9999  # a descent that brings the loss no lower than this share of it is over
LEAST_WINDOW = 20  # steps; in fewer the loss may rise and fall
DECAYS = 0.9, 0.999  # of Adam's two averages


@dataclass(frozen=True)
class CarliniWagner(MinimumNorm):
    """Smallest L2 perturbation by descent on ||x' - x||^2 + c max(confidence - lead, 0) (Carlini and Wagner 2017).

    The lead is max_{j != y} z_j - z_y or, if targeted, z_t - max_{j != t} z_j; x' = (tanh(w) + 1) / 2 keeps to the box
    and w follows Adam. Every sample has a constant c of its own, found by binary search: larger where the model was not
    fooled, smaller where it was.

    Args:
        norm: `L2`, the only one.
        steps: of Adam for one constant.
        step_size: of Adam, in units of w.
        binary_search_steps: constants that are tried.
        initial_const: the first of them.
        confidence: the lead that counts as fooled.
        abort_early: end a sample's descent when a tenth of the steps (20 at least) has not lowered its lowest loss by
            0.01 %.
        targeted: labels are the classes aimed at.

    Further arguments as in `MinimumNorm`.

    Raises:
        ValueError: a setting out of range.
    """

    norms: ClassVar[tuple[Norm, ...]] = ("L2",)

    steps: int = 1000
    step_size: float = 0.01
    binary_search_steps: int = 9
    initial_const: float = 1e-3
    confidence: float = 0.0
    abort_early: bool = True
    targeted: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(
            [
                *at_least(1, steps=self.steps, binary_search_steps=self.binary_search_steps),
                *positive(step_size=self.step_size, initial_const=self.initial_const),
                *not_negative("it is a difference of logits", confidence=self.confidence),
            ]
        )

    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Descend for one constant after the other, sample by sample keeping the smallest that fools."""
        best, best_sizes = images.clone(), images.new_full((len(images),), torch.inf)
        constants = images.new_full((len(images),), self.initial_const)
        low, high = torch.zeros_like(constants), torch.full_like(constants, torch.inf)
        for _ in range(self.binary_search_steps):
            found, sizes = self._descend(model, images, labels, constants)
            smaller = sizes < best_sizes
            best[smaller], best_sizes[smaller] = found[smaller], sizes[smaller]
            fell = sizes.isfinite()
            high, low = torch.where(fell, constants, high), torch.where(fell, low, constants)
            constants = torch.where(high.isfinite(), (low + high) / 2, 10 * constants)
        return best

    def _descend(self, model: Model, images: Tensor, labels: Tensor, constants: Tensor) -> tuple[Tensor, Tensor]:
        """The smallest images (B, C, H, W) of one descent that fool, and their sizes (B,), infinite where none does."""
        best, best_sizes = images.clone(), images.new_full((len(images),), torch.inf)
        active = torch.arange(len(images), device=images.device)
        lowest, last = best_sizes.clone(), best_sizes.clone()
        # Just inside the box: at its faces tanh has no slope.
        variables = torch.atanh((2 * images - 1) * 0.999999)
        mean, square = torch.zeros_like(images), torch.zeros_like(images)
        window = max(LEAST_WINDOW, self.steps // 10)
        for step in range(self.steps):
            points = (variables.tanh() + 1) / 2
            losses, leads, gradient = self._losses(model, points, images, labels, constants)
            sizes = perturbation_norm(points - images, "L2")
            smaller = (leads > self.confidence) & (sizes < best_sizes[active])
            best[active[smaller]], best_sizes[active[smaller]] = points[smaller], sizes[smaller]
            lowest = torch.minimum(lowest, losses)
            if self.abort_early and (step + 1) % window == 0:
                stay, last = lowest < GAIN * last, lowest
                if not stay.all():
                    active, images, labels, constants, lowest, last = (
                        part[stay] for part in (active, images, labels, constants, lowest, last)
                    )
                    variables, points, gradient, mean, square = (
                        part[stay] for part in (variables, points, gradient, mean, square)
                    )
                if not len(active):
                    break
            slope = 2 * points * (1 - points)  # of x' in w, from tanh' = 1 - tanh^2
            variables, mean, square = self._adam(variables, slope * gradient, mean, square, step)
        return best, best_sizes

    def _losses(
        self, model: Model, points: Tensor, images: Tensor, labels: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Losses (B,), leads (B,) and the losses' gradient in the points (B, C, H, W)."""

        def short_of(logits: Tensor) -> Tensor:
            return constants * (self.confidence - lead_of(logits, labels, self.targeted)).clamp_min(0)

        logits, gradient = value_and_gradient(model, points, short_of, labels)
        delta = points - images
        losses = delta.square().flatten(1).sum(dim=1) + short_of(logits)
        return losses, lead_of(logits, labels, self.targeted), 2 * delta + gradient

    def _adam(
        self, variables: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, step: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One step (Kingma and Ba 2015): variables and both averages, (B, C, H, W) each."""
        first, second = DECAYS
        mean = mean.lerp(gradient, 1 - first)
        square = square.lerp(gradient.square(), 1 - second)
        scale = (square / (1 - second ** (step + 1))).sqrt() + 1e-8
        return variables - self.step_size / (1 - first ** (step + 1)) * mean / scale, mean, square
