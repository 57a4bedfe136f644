"""The attack of Carlini and Wagner."""

from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from sparsefront.attacks.parts.crossing import lead_of
from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.minimum_norm import MinimumNorm
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.rules import at_least, check_rules, not_negative, positive

GAIN = 0.9999  # a descent that brings the loss no lower than this fraction of it is over
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
        eps: return no perturbation above it, in [0, 1] pixel units; `8/255` is read; absent: any.
        relative: `eps` is a multiple of each image's own norm ||x||.

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

    @property
    def _least_lead(self) -> float:
        """The lead that counts as fooled."""
        return self.confidence

    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Descend for one constant after the other, sample by sample keeping the smallest that fools."""
        best, best_sizes = images.clone(), images.new_full((len(images),), torch.inf)
        constants = images.new_full((len(images),), self.initial_const)
        low, high = torch.zeros_like(constants), torch.full_like(constants, torch.inf)
        for _ in range(self.binary_search_steps):
            points, sizes = self._descend(model, images, labels, constants)
            smaller = sizes < best_sizes
            best[smaller] = points[smaller]
            best_sizes[smaller] = sizes[smaller]
            fallen = sizes.isfinite()
            high = torch.where(fallen, constants, high)
            low = torch.where(fallen, low, constants)
            constants = torch.where(high.isfinite(), (low + high) / 2, 10 * constants)
        return best

    def _descend(self, model: Model, images: Tensor, labels: Tensor, constants: Tensor) -> tuple[Tensor, Tensor]:
        """The smallest images (B, C, H, W) of one descent that fool, and their sizes (B,), infinite where none does."""
        best, best_sizes = images.clone(), images.new_full((len(images),), torch.inf)
        walk = _Descent.begin(images, labels, constants)
        window = max(LEAST_WINDOW, self.steps // 10)
        for step in range(self.steps):
            points = (walk.variables.tanh() + 1) / 2
            losses, leads, gradient = self._losses(model, points, walk.clean, walk.labels, walk.constants)
            # The gradient in w: x' rises with it by 2 x' (1 - x'), from tanh' = 1 - tanh^2.
            walk.gradient = 2 * points * (1 - points) * gradient
            sizes = perturbation_norm(points - walk.clean, "L2")
            smaller = (leads > self.confidence) & (sizes < best_sizes[walk.rows])
            walk.put(best, points, smaller)
            walk.put(best_sizes, sizes, smaller)
            walk.lowest = torch.minimum(walk.lowest, losses)
            if self.abort_early and (step + 1) % window == 0:
                stuck = ~(walk.lowest < GAIN * walk.checked)
                walk.checked = walk.lowest
                if not walk.drop(stuck):
                    break
            walk.step(step + 1, self.step_size)
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


@dataclass
class _Descent(Walk):
    """Samples on their way down for one constant each.

    Args:
        rows: (S,) places in the batch.
        clean: (S, C, H, W) the images to come near to.
        labels: (S,).
        constants: (S,).
        variables: (S, C, H, W) w, of which x' = (tanh(w) + 1) / 2.
        gradient: (S, C, H, W) of the loss in w.
        mean: (S, C, H, W) Adam's average of the gradients; `square` that of their squares.
        lowest: (S,) the lowest loss so far; `checked` the one at the last check.
    """

    clean: Tensor
    labels: Tensor
    constants: Tensor
    variables: Tensor
    gradient: Tensor
    mean: Tensor
    square: Tensor
    lowest: Tensor
    checked: Tensor

    @classmethod
    def begin(cls, images: Tensor, labels: Tensor, constants: Tensor) -> Self:
        """A descent that starts at images (B, C, H, W)."""
        # Just inside the box: at its faces tanh has no slope.
        variables = torch.atanh((2 * images - 1) * 0.999999)
        nothing = torch.zeros_like(images)
        infinite = images.new_full((len(images),), torch.inf)
        return cls(
            all_rows(images), images, labels, constants, variables, nothing, nothing, nothing, infinite, infinite
        )

    def step(self, count: int, length: float) -> None:
        """The `count`-th step, from 1 on, by Adam (Kingma and Ba 2015)."""
        first, second = DECAYS
        self.mean = self.mean.lerp(self.gradient, 1 - first)
        self.square = self.square.lerp(self.gradient.square(), 1 - second)
        scale = (self.square / (1 - second**count)).sqrt() + 1e-8
        self.variables = self.variables - length / (1 - first**count) * self.mean / scale
