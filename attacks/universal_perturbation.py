"""One perturbation for all images."""

import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Self, get_args

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.parts.balls import project
from sparsefront.attacks.parts.batch import check_batch, in_precision
from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.attacks.parts.guarded import guarded
from sparsefront.attacks.parts.jacobian import leads, runners_up
from sparsefront.attacks.parts.losses import margin
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.queries import answers, fools
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.parts.steps import steepest
from sparsefront.common.budget import Budget
from sparsefront.common.noise import uniform
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, one_of, positive, settings_of

MOMENTUM = 0.9
FINALISTS = 2  # starts that are climbed from to the end


@dataclass(frozen=True)
class UniversalPerturbation(Attack):
    """One pattern, fitted on training images, that is added to every image (Moosavi-Dezfooli et al. 2017).

    `fitted` climbs the sum over a batch of max_{j != y} z_j - z_y, each capped at the mean lead of clean images, so
    that none that has fallen far decides (Shafahi et al. 2020, with the margin for their cross entropy). Steps have
    momentum and shrink to 0. Good patterns lead most images to one and the same class, and which one a climb ends at is
    chance: so it starts where an epoch towards each class, or none, has fooled most, and second most. The published
    way, DeepFool for one image after another, fools fewer images in far more time.

    Args:
        eps: size of the pattern in [0, 1] pixel units; `8/255` is read. The paper has 10/255 on ImageNet; on black and
            white digits a pattern of 0.1 fools next to none, one of 0.3 most.
        norm: of the pattern, `Linf` or `L2`.
        n_fitting_images: training images that `fitted` is given.
        epochs: passes over them.
        batch_size: images a step.
        step_size: of the first step, in multiples of eps.
        n_target_classes: so many classes are tried for an epoch each, those that most images are nearest to.
        seed: of the order of the images.

    Raises:
        ValueError: a setting out of range, a call before `fitted`, or images of another shape than those fitted on.
    """

    eps: PixelSize = "8/255"
    norm: Norm = "Linf"
    n_fitting_images: int = 1000
    epochs: int = 10
    batch_size: int = 50
    step_size: float = 0.2
    n_target_classes: int = 10
    seed: int = 0
    _pattern: Tensor | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        counts = settings_of(self, "n_fitting_images", "epochs", "batch_size", "n_target_classes")
        check_rules(
            [
                *one_of((norm for norm in get_args(Norm) if norm != "L1"), norm=self.norm),
                *radius_rules(self.norm, eps=float(self.eps)),
                *at_least(1, **counts),
                *positive("it is a multiple of eps", step_size=self.step_size),
            ]
        )

    @property
    def budget(self) -> Budget:
        """The ball around each image that the pattern keeps to."""
        return Budget(self.norm, float(self.eps))

    def fitted(self, model: Model, images: Tensor, labels: Tensor) -> Self:
        """Return this attack with a pattern, which needs no more fitting.

        Args:
            model: images -> logits; may be differentiated.
            images: (N, C, H, W) in [0, 1], of the training data; those that the model gets wrong are of no use.
            labels: (N,) int64.

        Raises:
            ValueError: no image, or none that the model gets right; images, labels or logits that do not fit.
        """
        check_batch(images, labels)
        with torch.inference_mode(False), torch.enable_grad(), guarded(model, images.dtype) as asked:
            pattern = self._pattern_for(asked, in_precision(images), labels.clone())
        attack = copy.copy(self)
        object.__setattr__(attack, "_pattern", pattern)
        object.__setattr__(attack, "n_fitting_images", 0)
        return attack

    def _pattern_for(self, model: Model, images: Tensor, labels: Tensor) -> Tensor:
        """The pattern (C, H, W)."""
        correct, cap, classes = self._survey(model, images, labels)
        images, labels = images[correct], labels[correct]
        origin = torch.zeros_like(images[:1])
        tried = [self._climb(model, images, labels, cap, origin, 1, target) for target in (None, *classes)]
        best = self._by_harm(model, images, labels, tried)[:FINALISTS]
        ends = [self._climb(model, images, labels, cap, start, self.epochs, None) for start in best]
        return self._by_harm(model, images, labels, ends)[0][0]

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Add the pattern."""
        if self._pattern is None:
            raise ValueError(
                "UniversalPerturbation must be fitted on training images before it attacks, found no pattern; "
                "call `fitted(model, images, labels)` and attack with what it returns."
            )
        if self._pattern.shape != images.shape[1:]:
            raise ValueError(
                f"`images` must have the shape {tuple(self._pattern.shape)} that the universal perturbation was fitted "
                f"on, found {tuple(images.shape[1:])}."
            )
        return (images + self._pattern.to(images)).clamp(0, 1)

    def _survey(self, model: Model, images: Tensor, labels: Tensor) -> tuple[Tensor, float, list[int]]:
        """Which images the model gets right (N,), how far beyond the boundary counts, and the classes to try."""
        if not len(images):
            raise ValueError("`images` of UniversalPerturbation must hold some to fit on, found none.")
        logits = answers(model, images, labels)
        ahead = -margin(logits, labels)
        correct = ahead > 0
        if not correct.any():
            raise ValueError(
                f"`images` of UniversalPerturbation must hold some that the model gets right, found "
                f"{len(images)} wrong ones; train the model first."
            )
        nearest = runners_up(logits[correct], labels[correct], 1)[0].bincount(minlength=logits.shape[1])
        classes = nearest.topk(min(self.n_target_classes, len(nearest))).indices.tolist()
        return correct, float(ahead[correct].mean()), classes

    def _by_harm(self, model: Model, images: Tensor, labels: Tensor, patterns: list[Tensor]) -> list[Tensor]:
        """The patterns (1, C, H, W), first the one that fools most images."""
        fallen = [int(fools(model, (images + one).clamp(0, 1), labels, False).sum()) for one in patterns]
        order = sorted(range(len(patterns)), key=lambda place: -fallen[place])
        return [patterns[place] for place in order]

    def _climb(
        self,
        model: Model,
        images: Tensor,
        labels: Tensor,
        cap: float,
        pattern: Tensor,
        epochs: int,
        target: int | None,
    ) -> Tensor:
        """A better pattern (1, C, H, W): away from the labels or, if there is a target, towards it."""
        eps = float(self.eps)
        velocity = torch.zeros_like(pattern)
        batches = [batch for epoch in range(epochs) for batch in self._order(images, epoch)]
        for step, batch in enumerate(batches):
            goal = labels[batch]
            points = (images[batch] + pattern).clamp(0, 1)
            _, gradient = value_and_gradient(model, points, partial(_capped_lead, goal, target, cap), goal)
            velocity = MOMENTUM * velocity + gradient.sum(dim=0, keepdim=True)
            length = self.step_size * eps * (1 - step / len(batches))
            pattern = project(pattern + steepest(velocity, pattern, length, self.norm), eps, self.norm)
        return pattern

    def _order(self, images: Tensor, epoch: int) -> tuple[Tensor, ...]:
        """Image numbers, shuffled and in batches."""
        numbers = torch.arange(len(images), device=images.device)
        keys = uniform(numbers, torch.Size([1]), seed=self.seed, stream=epoch).squeeze(1)
        batches: tuple[Tensor, ...] = keys.argsort().split(self.batch_size)
        return batches


def _capped_lead(labels: Tensor, target: int | None, cap: float, logits: Tensor) -> Tensor:
    """z_target - z_label or, without a target, of the best class but the label: (B,), at most `cap`."""
    if target is None:
        return margin(logits, labels).clamp_max(cap)
    return leads(logits, labels, torch.full_like(labels, target)[None])[0].clamp_max(cap)
