"""Logits of images that differ from known ones in a few pixels."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sparsefront.common.changes.change import Change
from sparsefront.common.changes.kept_maps import KeptMaps, Settle
from sparsefront.common.changes.stage import Stage

Model = Callable[[Tensor], Tensor]
LARGEST = 0.25  # share of the pixels from which on to follow a change costs more than to compute the whole
ANEW = 1000  # questions after which all is computed anew, so that no rounding gathers


class ChangedAnswers:
    """A model's logits of images, each of which is a kept image with some pixels changed.

    What the change leaves as it was is not computed again. Answers differ from the model's by rounding.

    Args:
        model: images (S, C, H, W) -> logits (S, K).
        stages: its first parts, from the image on.
        rest: what follows them: maps (S, L, h, w) -> logits (S, K).
        images: (B, C, H, W), the first that are kept.
    """

    def __init__(self, model: Model, stages: Sequence[Stage], rest: Model, images: Tensor) -> None:
        self._model, self._stages, self._rest = model, list(stages), rest
        self._images = images.clone()
        self._asked = 0
        self._settles: list[Settle] = []
        self._last: KeptMaps
        self._take(images, None)

    @torch.no_grad()
    def ask(self, samples: Tensor, points: Tensor) -> Tensor:
        """Logits (S, K) of points (S, C, H, W) in the place of the kept images of some samples (S,), each once.

        `settle` must be called before the next.
        """
        changed = (points != self._images[samples]).any(dim=1)
        small = changed.flatten(1).sum(dim=1) <= LARGEST * changed[0].numel()
        self._samples, self._points, self._whole = samples, points, ~small
        if small.all():
            return self._follow(samples, points, changed)
        if not small.any():
            self._settles = []
            return self._model(points)
        followed = self._follow(samples[small], points[small], changed[small])
        logits = followed.new_empty(len(points), followed.shape[1])
        logits[small], logits[~small] = followed, self._model(points[~small])
        return logits

    @torch.no_grad()
    def settle(self, accepted: Tensor) -> None:
        """Keep the points asked about last of some samples, bool (S,), and what was kept before of the others."""
        chosen = torch.zeros(len(self._images), dtype=torch.bool, device=accepted.device)
        chosen[self._samples] = accepted
        for settle in self._settles:
            settle(chosen)
        self._images[self._samples[accepted]] = self._points[accepted]
        self._asked += 1
        if self._asked % ANEW == 0:
            self._take(self._images[self._samples], self._samples)
        elif (anew := accepted & self._whole).any():
            self._take(self._points[anew], self._samples[anew])

    def _follow(self, samples: Tensor, points: Tensor, changed: Tensor) -> Tensor:
        """Logits (S, K) by way of the pixels that changed, bool (S, H, W)."""
        rows, lines, columns = changed.nonzero(as_tuple=True)
        height, width = changed.shape[1:]
        places = (samples[rows] * height + lines) * width + columns
        new, old = points[rows, :, lines, columns], self._images[samples[rows], :, lines, columns]
        change, self._settles = Change(places, new, old), []
        for stage in self._stages:
            change, settle = stage.follow(change)
            self._settles.append(settle)
        self._settles.append(self._last.write(change.places, change.new))
        return self._rest(self._last.whole(samples).permute(0, 3, 1, 2))

    def _take(self, images: Tensor, samples: Tensor | None) -> None:
        """Compute all anew for images (S, C, H, W) of some samples, of all where none are named."""
        maps = images.permute(0, 2, 3, 1)
        for stage in self._stages:
            maps = stage.whole(maps, samples)
        if samples is None:
            self._last = KeptMaps(maps)
        else:
            self._last.replace(samples, maps)
