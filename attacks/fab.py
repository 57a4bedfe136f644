"""The fast adaptive boundary attack."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.attacks.parts.bounded import random_start
from sparsefront.attacks.parts.crossing import lead_of
from sparsefront.attacks.parts.hyperplane import to_hyperplane
from sparsefront.attacks.parts.jacobian import runners_up
from sparsefront.attacks.parts.minimum_norm import MinimumNorm, nearest_boundary
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, diameter, perturbation_norm
from sparsefront.attacks.parts.queries import checked_logits
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.rules import at_least, check_rules, from_0_to_1, settings_of


@dataclass
class _Steps(Walk):
    """Samples on their way: images and iterates (S, C, H, W), labels (S,), classes aimed at (S, J), limits (S,)."""

    clean: Tensor
    here: Tensor
    labels: Tensor
    aims: Tensor
    limits: Tensor


@dataclass(frozen=True)
class FAB(MinimumNorm):
    """Smallest perturbation by steps along the boundary (Croce and Hein 2020, "Minimally distorted").

    Each step projects both the iterate and the clean image to the linearised boundary within the box and goes to a
    point between the two; an iterate that fools is drawn back towards the clean image.

    Args:
        norm: that is to be small, `Linf`, `L2` or `L1`.
        steps: for each restart and class.
        n_restarts: starts a sample; all but the first are drawn around the image, at random.
        n_target_classes: FAB-T: look at the boundaries to these many classes of largest clean logits one after the
            other, one backward pass a step; absent: at the nearest of all boundaries, K - 1 passes a step.
        alpha_max: largest weight of the clean image's projection.
        eta: both projections go beyond the boundary by this factor.
        beta: how near to an iterate that fools the search goes on, 1 being there and 0 the clean image.
        early_stop: a sample is done once it fools within `eps`: as strong where only accuracy at eps matters.
        seed: of the random starts, which depend on (seed, sample, restart) alone.
        eps: return no perturbation above it, in [0, 1] pixel units; `8/255` is read; absent: any. Random starts stay
            within it.
        relative: `eps` is a multiple of each image's own norm ||x||.

    Raises:
        ValueError: a setting out of range, or `early_stop` without `eps`.
    """

    norm: Norm = "Linf"
    steps: int = 100
    n_restarts: int = 1
    n_target_classes: int | None = None
    alpha_max: float = 0.1
    eta: float = 1.05
    beta: float = 0.9
    early_stop: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = settings_of(self, "steps", "n_restarts")
        if self.n_target_classes is not None:
            counts["n_target_classes"] = self.n_target_classes
        check_rules([*at_least(1, **counts), *from_0_to_1(alpha_max=self.alpha_max, beta=self.beta)])
        if not self.eta >= 1:
            raise ValueError(f"`eta` must be at least 1, found {self.eta}: less would stop short of the boundary.")
        if self.early_stop and self.eps is None:
            raise ValueError("`early_stop` of FAB needs `eps`, found none: it stops at perturbations within eps.")

    def _search(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk to every boundary from every start, sample by sample keeping the smallest that fools."""
        with torch.no_grad():
            classes = runners_up(checked_logits(model(images), labels), labels, self.n_target_classes)
        best, sizes = images.clone(), images.new_full((len(images),), torch.inf)
        limits = self.limits(images)
        for aims in classes.split(len(classes) if self.n_target_classes is None else 1):
            for restart in range(self.n_restarts):
                standing = (sizes > limits if self.early_stop else sizes >= 0).nonzero().squeeze(1)
                if not len(standing):
                    return best
                clean, start = images[standing], images[standing]
                if restart:
                    reach = torch.minimum(sizes, limits)[standing].clamp_max(diameter(clean, self.norm)) / 2
                    start = random_start(clean, indices[standing], reach, self.norm, seed=self.seed, attempt=restart)
                rest = labels[standing], aims[:, standing], limits[standing]
                points, reached = self._walk(model, clean, start, *rest)
                smaller = reached < sizes[standing]
                best[standing[smaller]] = points[smaller]
                sizes[standing[smaller]] = reached[smaller]
        return best

    def _walk(
        self, model: Model, images: Tensor, points: Tensor, labels: Tensor, aims: Tensor, limits: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The smallest images (B, C, H, W) of one walk that fool, and their sizes (B,), infinite where none does."""
        best = images.clone()
        best_sizes = images.new_full((len(images),), torch.inf)
        walk = _Steps(all_rows(images), images, points, labels, aims.T, limits)
        for _ in range(self.steps):
            points = self._step(model, walk.clean, walk.here, walk.labels, walk.aims.T)
            with torch.no_grad():
                fallen = lead_of(checked_logits(model(points), walk.labels), walk.labels) > 0
            sizes = perturbation_norm(points - walk.clean, self.norm)
            smaller = fallen & (sizes < best_sizes[walk.rows])
            walk.put(best, points, smaller)
            walk.put(best_sizes, sizes, smaller)
            back = walk.clean + self.beta * (points - walk.clean)
            walk.here = torch.where(fallen[:, None, None, None], back, points)
            if self.early_stop and not walk.drop(best_sizes[walk.rows] <= walk.limits):
                break
        return best, best_sizes

    def _step(self, model: Model, images: Tensor, points: Tensor, labels: Tensor, aims: Tensor) -> Tensor:
        """Points (B, C, H, W) beyond the nearest of the linearised boundaries to the classes `aims` (J, B)."""
        normals, offsets, _ = nearest_boundary(model, points, labels, aims, self.norm)
        move = to_hyperplane(points, normals, offsets, self.norm)
        way_back = ((images - points) * normals).flatten(1).sum(dim=1)
        clean_move = to_hyperplane(images, normals, offsets - way_back, self.norm)
        lengths, clean_lengths = perturbation_norm(move, self.norm), perturbation_norm(clean_move, self.norm)
        both = lengths + clean_lengths
        alpha = torch.where(both > 0, lengths / both, 0).clamp_max(self.alpha_max)[:, None, None, None]
        return ((1 - alpha) * (points + self.eta * move) + alpha * (images + self.eta * clean_move)).clamp(0, 1)
