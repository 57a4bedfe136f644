"""Projected gradient descent."""

from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from attacks.base import Attack, Model, check_choice, checked_logits, number, value_and_gradient
from attacks.losses import Loss, adversarial_loss, fooled
from attacks.noise import normal, uniform
from attacks.norms import Norm, project, random_point, steepest


@dataclass(frozen=True)
class PGD(Attack):
    """Steps of steepest ascent, each projected to the ball and the box (Madry et al. 2018; paper 001, equation 1).

    Of all restarts a sample keeps the first image that fools the model or, if none does, the one of highest loss.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        steps: gradient steps a restart (N_s of paper 001).
        step_size: length of a step in that norm; 2.5 * eps / steps if absent. Paper 001 takes eps / 8 with 40 steps.
        n_restarts: starts a sample (N_r of paper 001).
        random_start: start anywhere in the ball instead of at the image.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        early_stop: drop a sample as soon as an iterate fools the model, and restart only samples still standing. As
            strong and much faster where `model` is the deployed model; wrong for a surrogate.
        l1_sparsity: share of the pixels that an L1 step moves.
        seed: of the random starts, which depend on (seed, sample, restart) alone.

    Raises:
        ValueError: a setting out of range.
    """

    eps: float | str = "8/255"
    norm: Norm = "Linf"
    steps: int = 40
    step_size: float | str | None = None
    n_restarts: int = 1
    random_start: bool = True
    loss: Loss = "ce"
    targeted: bool = False
    early_stop: bool = False
    l1_sparsity: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        number(self.eps, "eps")
        check_choice(self.norm, "norm", get_args(Norm))
        check_choice(self.loss, "loss", get_args(Loss))
        if self.step_size is not None and number(self.step_size, "step_size") == 0:
            raise ValueError("`step_size` must be positive, found 0; leave it out for 2.5 * eps / steps.")
        for name in ("steps", "n_restarts"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, found {getattr(self, name)}.")
        if self.n_restarts > 1 and not self.random_start:
            raise ValueError(
                f"`n_restarts` must be 1 without `random_start`, found {self.n_restarts}: all restarts would be equal."
            )
        if not 0 < self.l1_sparsity <= 1:
            raise ValueError(f"`l1_sparsity` must lie in (0, 1], found {self.l1_sparsity}.")

    @property
    def radius(self) -> float:
        """The number that `eps` says."""
        return number(self.eps, "eps")

    @property
    def step(self) -> float:
        """The length of a step, as a number."""
        return 2.5 * self.radius / self.steps if self.step_size is None else number(self.step_size, "step_size")

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Ascend from every start, sample by sample keeping the best."""
        best, best_loss = images.clone(), images.new_full((len(images),), -torch.inf)
        fallen = torch.zeros_like(labels, dtype=torch.bool)
        for restart in range(self.n_restarts):
            standing = (~fallen).nonzero().squeeze(1) if self.early_stop else torch.arange(len(images))
            standing = standing.to(images.device)
            if not len(standing):
                break
            found, loss, fell = self._ascend(model, images[standing], labels[standing], indices[standing], restart)
            better = ~fallen[standing] & (fell | (loss > best_loss[standing]))
            kept = standing[better]
            best[kept], best_loss[kept], fallen[kept] = found[better], loss[better], fell[better]
        return best

    def _ascend(
        self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, restart: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One restart: final images (B, C, H, W), their losses (B,) and whether they fool the model (B,)."""
        found, start, goal = self._start(images, indices, restart), images, labels
        final, active = found.clone(), torch.arange(len(images), device=images.device)
        for _ in range(self.steps):
            loss = adversarial_loss(self.loss, goal, self.targeted)
            logits, gradient = value_and_gradient(model, found, loss, goal)
            if self.early_stop and (fell := fooled(logits, goal, self.targeted)).any():
                final[active[fell]] = found[fell]
                active, found, gradient, start, goal = (part[~fell] for part in (active, found, gradient, start, goal))
                if not len(active):
                    break
            ascended = found + steepest(gradient, found, self.step, self.norm, self.l1_sparsity)
            # Clipping to the box after the ball only moves nearer to an image that lies in the box.
            found = (start + project(ascended - start, self.radius, self.norm)).clamp(0, 1)
        final[active] = found
        with torch.no_grad():
            logits = checked_logits(model(final), labels)
        losses = adversarial_loss(self.loss, labels, self.targeted)(logits)
        return final, losses.to(images.dtype), fooled(logits, labels, self.targeted)

    def _start(self, images: Tensor, indices: Tensor, restart: int) -> Tensor:
        """Images (B, C, H, W) to start from."""
        if not self.random_start:
            return images
        shape = images.shape[1:]
        uniforms = uniform(indices, shape, seed=self.seed, stream=2 * restart)
        normals = uniforms if self.norm == "Linf" else normal(indices, shape, seed=self.seed, stream=restart)
        # Half precision would round some uniforms up to 1.
        precision = torch.promote_types(images.dtype, torch.float32)
        delta = random_point(normals.to(precision), uniforms.to(precision), self.radius, self.norm)
        return (images + delta.to(images.dtype)).clamp(0, 1)
