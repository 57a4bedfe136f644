"""How `DDL` learns its dictionary, as settings."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, from_0_to_1, one_of
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class DDLLearning:
    """How `DDL` learns its dictionary without labels (paper 000, Algorithm 2).

    Attributes:
        learner: `online` (Mairal et al. 2009), or `batch`: passes over patches that are kept.
        n_iterations: batches of patches that are learned from; with `batch`, that are kept; ours.
        patches_per_iteration: patches in one of them, over all processes; ours.
        n_passes: over the patches kept; ours. Counts with `batch` alone.
        noise: on the images learned from: `none`, `uniform` in [-eps, eps] or `sign`, -eps or eps. Noisy images are
            clamped to [0, 1].
        eps: size of that noise, if there is any, in [0, 1] pixel units; the paper's FGSM. `8/255` is read.
        seed: of the draws of patches, of noise and of the start of `factors: nmf`.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    learner: Literal["online", "batch"] = "online"
    n_iterations: int = 1000
    patches_per_iteration: int = 256
    n_passes: int = 10
    noise: Literal["none", "uniform", "sign"] = "none"
    eps: PixelSize = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {"n_iterations": self.n_iterations, "n_passes": self.n_passes}
        rules = [
            *one_of(("online", "batch"), learner=self.learner),
            *one_of(("none", "uniform", "sign"), noise=self.noise),
            *at_least(1, **counts, patches_per_iteration=self.patches_per_iteration),
            *from_0_to_1("write it in [0, 1] pixel units", eps=float(self.eps)),
        ]
        check_rules(rules)

    @property
    def n_steps(self) -> int:
        """Batches, and passes over them."""
        return self.n_iterations + (self.n_passes if self.learner == "batch" else 0)

    def with_noise(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images (B, C, H, W) as they are learned from; noise comes from `generator`, on the CPU."""
        if self.noise == "none":
            return images
        noise = 2 * torch.rand(images.shape, generator=generator, dtype=images.dtype) - 1
        noise = noise.sign() if self.noise == "sign" else noise
        return (images + float(self.eps) * noise.to(images.device)).clamp(0, 1)
