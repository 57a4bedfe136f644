"""RayS."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from sparsefront.attacks.parts.coarse_noise import coarse_noise
from sparsefront.attacks.parts.decision import DecisionAttack
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm, perturbation_norm
from sparsefront.attacks.parts.queries import fools
from sparsefront.attacks.parts.walk import Walk, all_rows
from sparsefront.common.rules import at_least, check_rules, settings_of

HALVINGS = 10  # of the way along a ray, whose length is known to a thousandth then
FINER = 6  # of the second half of a ray that a flip has made shorter: one flip rarely halves it
LESS = 0.999  # of the shortest ray, that another one has to fool at


@dataclass
class _Rays(Walk):
    """Samples whose rays are shortened.

    Args:
        rows: (S,) places in the batch.
        clean: (S, C, H, W).
        labels: (S,).
        limits: (S,) lengths at which a sample is done; negative: none.
        signs: (S, C, H, W) the shortest ray so far, 1 or -1.
        lengths: (S,) how far along it the model is fooled.
        near: (S, C, H, W) the image there.
        idle: (S,) blocks since the ray last became shorter.
    """

    clean: Tensor
    labels: Tensor
    limits: Tensor
    signs: Tensor
    lengths: Tensor
    near: Tensor
    idle: Tensor


@dataclass(frozen=True)
class RayS(DecisionAttack):
    """Smallest Linf perturbation by decisions alone: the shortest of all rays of signs (Chen and Gu 2020, algorithm 3).

    A ray leaves the image x along a vector s of signs, and fools from a length r on: x + r s, clipped to [0, 1]. Half
    of the signs are flipped, then each half of that, and so on down to single pixels, which go on in turn. A flip is
    kept if the model is fooled at the length so far, and the shorter length is found by bisection. So a step costs
    one query, and what guides it is a length, which labels alone can tell.

    Ours: a ray that fools nowhere is turned around; a walk ends where no single pixel's flip makes the ray shorter,
    which is near the shortest towards one other class, and another one begins along another ray. The shortest of all
    counts.

    Args:
        n_queries: flips that the model is asked about at most, a sample and walk; bisection comes on top, about as many
            queries again.
        n_walks: walks a sample; with `eps` only samples still standing get another one.
        start: of the walks but the first, which goes along `starts` or, without any, along signs that are all 1 (the
            paper's). `nearest`: towards the nearest of the images given to `fitted` that the model gives another label,
            then towards the nearest of the next label; `noise`, and where labels are used up: signs at random in blocks
            of ever coarser grain.
        n_fitting_images: training images that `fitted` is given; set to 0 with start `noise`.
        targeted: labels are the classes aimed at.
        eps: return no perturbation above it, and stop at it, in [0, 1] pixel units; `8/255` is read; absent: any.
        relative: `eps` is a multiple of each image's own norm ||x||.
        seed: of the random rays, which depend on (seed, sample, walk) alone.

    Raises:
        ValueError: a setting out of range, or a call with start `nearest` before `fitted`.
    """

    begins_from_starts: ClassVar[bool] = True

    n_queries: int = 10000
    n_walks: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(at_least(1, **settings_of(self, "n_queries", "n_walks")))

    @property
    def _small_norm(self) -> Norm:
        return "Linf"

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk from rays of the attack's own."""
        return self.perturb_from(model, images, labels, indices, images)

    def perturb_from(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """Walk, the first time along `starts` (B, C, H, W) less the images."""
        self._check_fitted()
        final = images.clone()
        active = (~fools(model, images, labels, self.targeted)).nonzero().squeeze(1)
        samples = [tensor[active] for tensor in (images, labels, indices, starts)]
        if len(active):
            self._put_small(final, active, images[active], self._best_walk(model, *samples))
        return final

    def _approach(self, model: Model, images: Tensor, start: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Walk along `start` less the images and along other rays."""
        return self._best_walk(model, images, labels, indices, start)

    def _best_walk(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor) -> Tensor:
        """The nearest images (B, C, H, W) of all walks; those themselves where no ray fools."""
        best, limits = images.clone(), self.limits(images)
        limits = torch.where(limits.isinf(), -1.0, limits)  # which is where a walk stops: without `eps` nowhere
        shortest = torch.full_like(limits, torch.inf)
        for number in range(self.n_walks):
            rows = (shortest > limits).nonzero().squeeze(1)
            if not len(rows):
                break
            signs = self._ray(number, images[rows], starts[rows], labels[rows], indices[rows])
            near, lengths = self._walk(model, images[rows], signs, labels[rows], limits[rows])
            shorter = lengths < shortest[rows]
            best[rows[shorter]], shortest[rows[shorter]] = near[shorter], lengths[shorter]
        return best

    def _ray(self, number: int, images: Tensor, starts: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Signs (B, C, H, W) that a walk begins with."""
        if number == 0:
            return torch.where(starts < images, -1.0, 1.0).to(images.dtype)
        towards = coarse_noise(images, indices, number - 1, self.seed) - 0.5
        if self.start == "nearest" and self._candidates is not None:
            nearest, served = self._nearest(images, labels, *self._candidates, rank=number - 1)
            away = torch.where(nearest == images, 0.5 - images, nearest - images)  # where there is room
            towards = torch.where(served[:, None, None, None], away, towards)
        return torch.where(towards < 0, -1.0, 1.0).to(images.dtype)

    def _walk(
        self, model: Model, images: Tensor, signs: Tensor, labels: Tensor, limits: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) on the shortest rays of one walk, and their sizes (B,), infinite where none fools."""
        near, sizes = images.clone(), images.new_full((len(images),), torch.inf)
        across = torch.ones_like(sizes)
        served = self._fooling(model, images, signs, across, labels)
        signs = torch.where(served[:, None, None, None], signs, -signs)  # where one ray fools nowhere, its opposite may
        rows = (served | self._fooling(model, images, signs, across, labels)).nonzero().squeeze(1)
        if not len(rows):
            return near, sizes
        walk = _Rays(rows, images[rows], labels[rows], limits[rows], signs[rows], across[rows], images[rows], 0 * rows)
        self._shorten(model, walk, all_rows(walk.rows), signs[rows], torch.zeros_like(across[rows]), HALVINGS)
        count = images[0].numel()
        size, first = -(-count // 2), 0  # of the block and where it begins; flipping all signs is the second walk
        for _ in range(self.n_queries):
            done = (walk.lengths <= walk.limits) | ((size == 1) & (walk.idle > count))
            walk.put(near, walk.near, done)
            walk.put(sizes, walk.lengths, done)
            if not walk.drop(done):
                break
            self._try(model, walk, first, size)
            first += size
            if first >= count:
                size, first = -(-size // 2), 0
                walk.idle = torch.zeros_like(walk.idle) if size > 1 else walk.idle
        walk.put(near, walk.near)
        walk.put(sizes, walk.lengths)
        return near, torch.where(sizes.isfinite(), perturbation_norm(near - images, "Linf"), sizes)

    def _try(self, model: Model, walk: _Rays, first: int, size: int) -> None:
        """Flip a block of signs, and keep it where the model is fooled nearer to the image."""
        flipped = walk.signs.flatten(1).clone()
        flipped[:, first : first + size] *= -1
        signs = flipped.view_as(walk.signs)
        fallen = self._fooling(model, walk.clean, signs, LESS * walk.lengths, walk.labels)
        walk.idle = torch.where(fallen, 0, walk.idle + 1)
        some = fallen.nonzero().squeeze(1)
        if len(some):
            walk.lengths[some] *= LESS
            self._shorten(model, walk, some, signs[some], walk.lengths[some] / 2, FINER)

    def _shorten(self, model: Model, walk: _Rays, some: Tensor, signs: Tensor, low: Tensor, halvings: int) -> None:
        """Let rays of some samples of a walk end where they begin to fool, by bisection.

        Args:
            model: images -> logits.
            walk: changed in place.
            some: (S,) which of its samples.
            signs: (S, C, H, W) rays that fool at these samples' lengths.
            low: (S,) a length to look from.
            halvings: of the way from there to the samples' lengths.
        """
        clean, labels, high = walk.clean[some], walk.labels[some], walk.lengths[some]
        for _ in range(halvings):
            middle = (low + high) / 2
            fallen = self._fooling(model, clean, signs, middle, labels)
            high, low = torch.where(fallen, middle, high), torch.where(fallen, low, middle)
        walk.signs[some], walk.lengths[some], walk.near[some] = signs, high, _along(clean, signs, high)

    def _fooling(self, model: Model, images: Tensor, signs: Tensor, lengths: Tensor, labels: Tensor) -> Tensor:
        """Bool (B,): the model is fooled so far along the rays."""
        return fools(model, _along(images, signs, lengths), labels, self.targeted)


def _along(images: Tensor, signs: Tensor, lengths: Tensor) -> Tensor:
    """Images (B, C, H, W) at lengths (B,) along rays, clipped to [0, 1]."""
    return (images + lengths[:, None, None, None] * signs).clamp(0, 1)
