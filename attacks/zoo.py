"""Zeroth order optimisation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.losses import adversarial_loss
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.parts.queries import answers, fools
from sparsefront.attacks.parts.smallest import SmallestPerturbation
from sparsefront.common.noise import uniform
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, not_negative, positive, settings_of

BETAS = (0.9, 0.999)  # Adam's, as in the paper


@dataclass(frozen=True)
class ZOO(SmallestPerturbation):
    """Smallest L2 perturbation by coordinate-wise Adam on symmetric differences of the logits (Chen et al. 2017).

    Minimises ||x' - x||^2 + c max(margin that the label is still ahead by + confidence, 0) over the box (Carlini and
    Wagner 2017). A step moves a few random pixels, each by two queries. Of all iterates that fool the model each sample
    gets the nearest; one that never falls, or is wrong already, is returned as it is. A front end that single pixels
    do not move hides from this attack (paper 001, A.8).

    Args:
        steps: Adam steps for one constant.
        n_coordinates: pixels that a step moves.
        learning_rate: Adam's. The paper has 0.01 with 3,000 steps on MNIST, 768,000 queries a constant; with 100 steps
            of 128 pixels each of 784 pixels moves 16 times, and 0.01 takes it nowhere.
        search_steps: constants c tried, by bisection: smaller after success, larger after failure.
        initial_const: the first c; the authors' code is called with 10 where only one is tried.
        confidence: margin, in logits, by which an iterate should fool the model.
        difference: how far a pixel is moved to either side to see the loss change.
        targeted: labels are the classes aimed at.
        eps: return no perturbation with an L2 norm above it; absent: any.
        relative: eps is a multiple of each image's own norm.
        seed: of the coordinates, which depend on (seed, sample, step) alone.

    Raises:
        ValueError: a setting out of range.
    """

    knowledge: ClassVar[str | None] = "black_box"

    steps: int = 100
    n_coordinates: int = 128
    learning_rate: float = 0.1
    search_steps: int = 1
    initial_const: float = 10.0
    confidence: float = 0.0
    difference: float = 1e-4
    targeted: bool = False
    eps: PixelSize | None = None
    relative: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        check_rules(
            [
                *at_least(1, **settings_of(self, "steps", "n_coordinates", "search_steps")),
                *positive(**settings_of(self, "learning_rate", "initial_const", "difference")),
                *not_negative(confidence=self.confidence),
            ]
        )

    @property
    def _small_norm(self) -> Norm:
        return "L2"

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Search over the constant, sample by sample."""
        final = images.clone()
        nearest = self.limits(images)
        active = (~fools(model, images, labels, self.targeted)).nonzero().squeeze(1)
        if not len(active):
            return final
        images = images[active]
        labels = labels[active]
        indices = indices[active]
        const = torch.full_like(nearest[active], self.initial_const)
        low, high = torch.zeros_like(const), torch.full_like(const, torch.inf)
        for search in range(self.search_steps):
            points, sizes = self._minimise(model, images, labels, indices, const, search * self.steps)
            better = sizes <= nearest[active]
            final[active[better]] = points[better]
            nearest[active[better]] = sizes[better]
            fallen = sizes.isfinite()
            low = torch.where(fallen, low, const)
            high = torch.where(fallen, const, high)
            const = torch.where(high.isfinite(), (low + high) / 2, 10 * const)
        return final

    def _minimise(
        self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, const: Tensor, first: int
    ) -> tuple[Tensor, Tensor]:
        """Nearest iterates that fool (B, C, H, W), and their distances (B,), infinite where there is none."""
        flat = images.flatten(1)
        best, nearest = flat.clone(), const.new_full((len(flat),), torch.inf)
        points = flat.clone()
        mean, square, counts = (torch.zeros_like(flat) for _ in range(3))
        for step in range(self.steps):
            draws = uniform(indices, flat.shape[1:], seed=self.seed, stream=first + step)
            chosen = draws.topk(min(self.n_coordinates, flat.shape[1]), dim=1).indices
            slopes = self._slopes(model, points, chosen, labels, images.shape[1:])
            gradient = 2 * (points - flat).gather(1, chosen) - const[:, None] * slopes
            move = _adam(gradient, mean, square, counts, chosen)
            moved = (points.gather(1, chosen) - self.learning_rate * move).clamp(0, 1)
            points.scatter_(1, chosen, moved)
            sizes = perturbation_norm(points - flat, "L2")
            fallen = fools(model, points.view_as(images), labels, self.targeted)
            better = fallen & (sizes < nearest)
            best[better] = points[better]
            nearest[better] = sizes[better]
        return best.view_as(images), nearest

    def _slopes(self, model: Model, flat: Tensor, chosen: Tensor, labels: Tensor, shape: torch.Size) -> Tensor:
        """Slopes (B, n) of min(margin, confidence) along the chosen pixels (B, n) of images (B, D).

        Symmetric differences; at the box's border what the pixel can still move.
        """
        pixels = flat.gather(1, chosen)
        values, places = [], []
        for shift in (self.difference, -self.difference):
            places.append((pixels + shift).clamp(0, 1))
            values.append(self._hinges(model, flat, chosen, places[-1], labels, shape))
        smallest = torch.finfo(flat.dtype).tiny  # a difference that the dtype cannot hold moves nothing: a slope of 0
        return (values[0] - values[1]) / (places[0] - places[1]).clamp_min(smallest)

    def _hinges(
        self, model: Model, flat: Tensor, chosen: Tensor, places: Tensor, labels: Tensor, shape: torch.Size
    ) -> Tensor:
        """min(margin, confidence) (B, n) where one chosen pixel after the other is put in its place."""
        block = max(1024 // len(flat), 1)  # bounds memory, not the result
        parts = []
        for columns, values in zip(chosen.split(block, dim=1), places.split(block, dim=1), strict=True):
            points = flat[:, None].expand(-1, columns.shape[1], -1).scatter(2, columns[..., None], values[..., None])
            repeated = labels.repeat_interleave(columns.shape[1])
            logits = answers(model, points.reshape(-1, *shape), repeated)
            margins = adversarial_loss("cw", repeated, self.targeted)(logits)
            parts.append(margins.view_as(values).clamp_max(self.confidence))
        return torch.cat(parts, dim=1)


def _adam(gradient: Tensor, mean: Tensor, square: Tensor, counts: Tensor, chosen: Tensor) -> Tensor:
    """Adam's direction (B, n) for the chosen of D coordinates; their averages and counts (B, D) move in place."""
    first, second = BETAS
    count = counts.gather(1, chosen) + 1
    average = first * mean.gather(1, chosen) + (1 - first) * gradient
    spread = second * square.gather(1, chosen) + (1 - second) * gradient**2
    for state, values in ((counts, count), (mean, average), (square, spread)):
        state.scatter_(1, chosen, values)
    return (average / (1 - first**count)) / ((spread / (1 - second**count)).sqrt() + 1e-8)
