"""Random noise as strong as an attack."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.parts.wrapped_attack import WrappedAttack, at_size
from sparsefront.common.budget import Budget
from sparsefront.common.noise import normal, uniform
from sparsefront.common.rules import check_rules, one_of

Distribution = Literal["gaussian", "uniform", "sign"]
Match = Literal["norm", "moments"]
STREAM = 2**41  # beyond the random streams of the attacks


@dataclass(frozen=True)
class NoiseControl(WrappedAttack):
    """No adversary: noise of the size of another attack's perturbation, sample by sample.

    A model that falls to it has not fallen to the attack's search.

    Args:
        attack: whose perturbations are measured; it runs whole.
        distribution: `gaussian`, `uniform` or `sign` (+-1) noise, independent from pixel to pixel.
        match: `norm`, the perturbation's norm, kept under clipping, or `moments`, its pixels' mean and standard
            deviation, then clipped (paper 003).
        norm: that `match: norm` keeps.
        seed: of the noise, which depends on (seed, sample) alone.

    Raises:
        ValueError: a setting out of range.
    """

    knowledge: ClassVar[str | None] = "control"

    distribution: Distribution = "gaussian"
    match: Match = "norm"
    norm: Norm = "L2"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(
            [
                *one_of(get_args(Distribution), distribution=self.distribution),
                *one_of(get_args(Match), match=self.match),
                *one_of(get_args(Norm), norm=self.norm),
            ]
        )

    @property
    def budget(self) -> Budget | None:
        """The ball of the attack that the noise is compared with."""
        return self.attack.budget

    @property
    def minimises(self) -> str | None:
        """The norm that the attack compared with minimises, or None."""
        return self.attack.minimises

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Attack, measure, draw."""
        delta = self.attack(model, images, labels, indices) - images
        noise = self._draw(indices, images.shape[1:]).to(images)
        if self.match == "norm":
            return at_size(images, noise, perturbation_norm(delta, self.norm), self.norm)
        mean, deviation = (
            moment.view(-1, 1, 1, 1) for moment in (delta.flatten(1).mean(1), delta.flatten(1).std(1, correction=0))
        )
        return (images + mean + deviation * noise).clamp(0, 1)

    def _draw(self, indices: Tensor, shape: torch.Size) -> Tensor:
        """Noise (B, *shape) of mean 0 and variance 1."""
        if self.distribution == "gaussian":
            return normal(indices, shape, seed=self.seed, stream=STREAM)
        draws = 2 * uniform(indices, shape, seed=self.seed, stream=STREAM) - 1
        return 3**0.5 * draws if self.distribution == "uniform" else torch.where(draws < 0, -1.0, 1.0)
