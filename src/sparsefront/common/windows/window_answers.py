"""Logits of images that differ from known ones in a window."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sparsefront.common.windows.change import Change
from sparsefront.common.windows.kept_maps import KeptMaps
from sparsefront.common.windows.stage import Stage

Model = Callable[[Tensor], Tensor]
LARGEST = 0.4  # share of the image from which on to follow a window costs more than to compute the whole


class WindowAnswers:
    """A model's logits of images, each of which is a kept image with one window changed.

    What a window leaves as it was is not computed again. Rounding gathers over many changes, so a verdict is not to be
    taken from here.

    Args:
        model: images (S, C, H, W) -> logits (S, K).
        stages: its first parts, from the image on.
        rest: what follows them: maps (S, L, h, w) -> logits (S, K).
        images: (B, C, H, W), the first that are kept.
    """

    def __init__(self, model: Model, stages: Sequence[Stage], rest: Model, images: Tensor) -> None:
        self._model, self._stages, self._rest = model, list(stages), rest
        self._images = images.clone()
        self._last: KeptMaps
        self._take(images, None)

    @torch.no_grad()
    def ask(self, rows: Tensor, points: Tensor, windows: Tensor) -> Tensor:
        """Logits (S, K) of points that differ from the kept images of some samples in a window each, if at all.

        `settle` must be called before the next.

        Args:
            rows: (S,) int64, the samples, each once.
            points: (S, C, H, W).
            windows: (S, 4) int64: first line, first column, height and width, within the image.
        """
        self._rows, self._points = rows, points
        full_height, full_width = points.shape[2:]
        height, width = windows[:, 2:].amax(dim=0).tolist()
        self._follows = height * width <= LARGEST * full_height * full_width
        if not self._follows:
            return self._model(points)
        top = windows[:, 0].clamp(max=full_height - height)
        left = windows[:, 1].clamp(max=full_width - width)
        lines = (top[:, None] + torch.arange(height, device=top.device))[:, :, None]
        columns = (left[:, None] + torch.arange(width, device=left.device))[:, None]
        samples = torch.arange(len(rows), device=rows.device)[:, None, None]
        new = points.permute(0, 2, 3, 1)[samples, lines, columns]
        old = self._images.permute(0, 2, 3, 1)[rows[:, None, None], lines, columns]
        change = Change(rows, top, left, new, old)
        for stage in self._stages:
            change = stage.follow(change)
        self._places = self._last.places(rows, change.top, change.left, *change.new.shape[1:3])
        self._before = self._last.read(self._places)
        self._last.write(self._places, change.new)
        return self._rest(self._last.whole(rows).permute(0, 3, 1, 2))

    @torch.no_grad()
    def settle(self, accepted: Tensor) -> None:
        """Keep the points asked about last of some samples, bool (S,), and what was kept before of the others."""
        rows = self._rows[accepted]
        self._images[rows] = self._points[accepted]
        if not self._follows:
            if len(rows):
                self._take(self._points[accepted], rows)
            return
        for stage in self._stages:
            stage.settle(accepted)
        if not accepted.all():
            self._last.write(self._places[~accepted], self._before[~accepted])

    @torch.no_grad()
    def _take(self, images: Tensor, rows: Tensor | None) -> None:
        """Compute all anew for images (S, C, H, W) of some samples, of all where no rows are given."""
        maps = images.permute(0, 2, 3, 1)
        for stage in self._stages:
            maps = stage.whole(maps, rows)
        if rows is None:
            self._last = KeptMaps(maps)
        else:
            self._last.replace(rows, maps)
