"""The boundary attack."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.attacks.parts.decision import DecisionAttack, to_boundary
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import perturbation_norm
from sparsefront.attacks.parts.queries import fools
from sparsefront.common.noise import normal
from sparsefront.common.rules import at_least, between_0_and_1, check_rules, settings_of

CHECK = 3  # every so many steps the sideways move alone is asked about too
WINDOW = 5  # answers that a change of a step size is decided on
FACTOR = 1.5  # that step sizes change by
HALVINGS = 10  # on the way from the start to the boundary


@dataclass(frozen=True)
class Boundary(DecisionAttack):
    """Smallest L2 perturbation by decisions alone: a random walk along the boundary (Brendel et al. 2018).

    Each step moves sideways on the sphere around the sample, then inwards, and is taken if the model is still fooled.
    Both lengths adapt, sample by sample, so that about half of the sideways moves and a fifth of the whole steps
    succeed; a sample whose inward steps have become as small as `convergence` is done.

    Args:
        steps: of the walk; one query each and another one every third.
        sideways: first length of a sideways move, in distances to the sample.
        inwards: first length of an inward move, likewise.
        convergence: inward length at which a sample is done.

    Further arguments as in `DecisionAttack`.

    Raises:
        ValueError: a setting out of range, or a call with start `nearest` before `fitted`.
    """

    steps: int = 5000
    sideways: float = 0.01
    inwards: float = 0.01
    convergence: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        lengths = settings_of(self, "sideways", "inwards", "convergence")
        check_rules([*at_least(1, steps=self.steps), *between_0_and_1(**lengths)])

    def _approach(self, model: Model, images: Tensor, start: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk."""
        final = to_boundary(model, images, start, labels, self.targeted, "L2", HALVINGS)
        active, near = torch.arange(len(images), device=images.device), final
        sideways, inwards = (final.new_full((len(final),), length) for length in (self.sideways, self.inwards))
        tries = torch.zeros(len(final), 4, dtype=torch.int64, device=images.device)
        for step in range(self.steps):
            round_, closer = self._propose(images, near, indices, sideways, inwards, step)
            fell = fools(model, closer, labels, self.targeted)
            if step % CHECK == 0:
                stayed = fools(model, round_, labels, self.targeted)
                sideways, inwards = _adapted(sideways, inwards, tries, stayed, fell)
            near = torch.where(fell[:, None, None, None], closer, near)
            done = inwards < self.convergence
            if done.any():
                final[active[done]] = near[done]
                active, near, images, labels = (part[~done] for part in (active, near, images, labels))
                indices, sideways, inwards, tries = (part[~done] for part in (indices, sideways, inwards, tries))
                if not len(active):
                    return final
        final[active] = near
        return final

    def _propose(
        self, images: Tensor, near: Tensor, indices: Tensor, sideways: Tensor, inwards: Tensor, step: int
    ) -> tuple[Tensor, Tensor]:
        """Points (B, C, H, W) at the same distance from the images, and nearer ones."""
        column = (len(near), 1, 1, 1)
        away = near - images
        distance = perturbation_norm(away, "L2").clamp_min(torch.finfo(near.dtype).tiny).view(column)
        draws = normal(indices, images.shape[1:], seed=self.seed, stream=step).to(images.dtype)
        radial = away / distance
        draws = draws - (draws * radial).flatten(1).sum(dim=1).view(column) * radial
        move = sideways.view(column) * distance * draws / perturbation_norm(draws, "L2").clamp_min(1e-12).view(column)
        around = (away + move) / (1 + sideways.view(column) ** 2).sqrt()
        return (images + around).clamp(0, 1), (images + (1 - inwards.view(column)) * around).clamp(0, 1)


def _adapted(sideways: Tensor, inwards: Tensor, tries: Tensor, stayed: Tensor, fell: Tensor) -> tuple[Tensor, Tensor]:
    """New lengths (B,) from how often moves fooled.

    `tries` (B, 4) counts in place, since the last change: sideways moves, those that fooled, inward moves after such a
    one, those that fooled.
    """
    tries += torch.stack([torch.ones_like(stayed), stayed, stayed, stayed & fell], dim=1).long()
    for column, low, high in ((0, 0.2, 0.5), (2, 0.1, 0.25)):
        full = tries[:, column] >= WINDOW
        rate = tries[:, column + 1] / tries[:, column].clamp_min(1)
        factor = torch.where(full & (rate > high), FACTOR, torch.where(full & (rate < low), 1 / FACTOR, 1.0))
        if column == 0:
            sideways = (sideways * factor).clamp_max(1)
        inwards = (inwards * factor).clamp_max(0.5)
        tries[:, column : column + 2] *= ~full[:, None]
    return sideways.to(inwards.dtype), inwards
