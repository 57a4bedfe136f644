"""Logits of images that differ from known ones in a few pixels."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sparsefront.common.changes import kernel
from sparsefront.common.changes.program import Program

Model = Callable[[Tensor], Tensor]
_FEWEST = 8  # samples that another thread is worth


class ChangedAnswers:
    """A model's logits of images, each of which is a kept image with some pixels changed.

    What the change leaves as it was is not computed again. Answers differ from the model's by rounding. On the
    processor alone: elsewhere the whole is sooner.

    Args:
        model: images (S, C, H, W) -> logits (S, K).
        program: its first parts, from the image on.
        rest: what follows them: maps (S, L, h, w) -> logits (S, K).
        images: (B, C, H, W), the first that are kept.
        asked: told of as many points as are answered without the model, which counts its own.
    """

    ANEW = 200
    """Questions about a sample after which all of it is computed anew, so that no rounding gathers."""
    ENDED, UNJUDGED = kernel.ENDED, kernel.UNJUDGED
    """What became of a sample that was searched for."""

    def __init__(
        self, model: Model, program: Program, rest: Model, images: Tensor, asked: Callable[[Tensor], object] = len
    ) -> None:
        self._model, self._program, self._rest, self._tell = model, program, rest, asked
        self._images = images.detach().clone(memory_format=torch.contiguous_format)
        self._state, self._kept = program.empty(len(images))
        self._pool = ThreadPoolExecutor(torch.get_num_threads())
        self._buffers = [program.buffers() for _ in range(torch.get_num_threads())]
        self._asked = torch.zeros(len(images), dtype=torch.int64)
        self._take(torch.arange(len(images)), self._images)

    @torch.no_grad()
    def ask(self, samples: Tensor, points: Tensor) -> Tensor:
        """Logits (S, K) of points (S, C, H, W) in the place of the kept images of some samples (S,), each once.

        `settle` must be called before the next.
        """
        self._samples, self._points = samples, points.contiguous()
        self._outcome = torch.from_numpy(self._follow())
        logits = self._logits[samples]
        (changed,) = (self._outcome == kernel.CHANGED).nonzero(as_tuple=True)
        if len(changed):
            logits[changed] = self._rest(self._program.last(self._state, samples[changed]))
        (whole,) = (~self.followed).nonzero(as_tuple=True)
        if len(whole) < len(points):
            self._tell(points[: len(points) - len(whole)])  # their number is all that counts; to pick them is slow
        if len(whole):
            logits[whole] = self._model(points[whole])
        self._answers = logits
        return logits.clone()

    @property
    def followed(self) -> Tensor:
        """Bool (S,): which of the points asked about last were answered without the model."""
        return self._outcome != kernel.TOO_MUCH

    @torch.no_grad()
    def settle(self, accepted: Tensor) -> None:
        """Keep the points asked about last of some samples, bool (S,), and what was kept before of the others."""
        arrays = self._samples.numpy(), accepted.numpy(), self._images.numpy(), self._points.numpy()
        kernel.settle_changes(*arrays, self._kept)
        self._logits[self._samples[accepted]] = self._answers[accepted]
        self._asked[self._samples] += 1
        anew = accepted & ~self.followed | (self._asked[self._samples] % self.ANEW == 0)
        if anew.any():
            self._take(self._samples[anew], self._images[self._samples[anew]])

    @property
    def ends_in_logits(self) -> bool:
        """Whether the program holds the whole model, so that searches can be compiled."""
        flattens = isinstance(self._rest, nn.Sequential) and all(isinstance(layer, nn.Flatten) for layer in self._rest)
        return flattens and self._program.ends_in_a_vector

    @property
    def images(self) -> Tensor:
        """What is kept (B, C, H, W); not to be written to."""
        return self._images

    def search(
        self, samples: Tensor, begin: int, sizes: Tensor, points: Tensor, moves: Any, rules: Any, walk: Any
    ) -> Tensor:
        """Let `kernel.search_changes`, which says what the rest is, walk samples (S,) on; what became of each (S,)."""
        settings = begin, sizes.numpy(), moves, rules, walk, points.numpy()
        data = self._images.numpy(), self._program.chain, self._kept
        free: SimpleQueue[Any] = SimpleQueue()
        for buffers in self._buffers:
            free.put(buffers)

        def search(sample: int) -> int:
            buffers = free.get()
            try:
                became: int = kernel.search_changes(sample, *settings, *data, buffers)
            finally:
                free.put(buffers)  # or the others wait for it for ever
            return became

        asked = walk[-1]
        before = int(asked.sum())
        became = torch.tensor(list(self._pool.map(search, samples.tolist())), dtype=torch.int8)
        if count := int(asked.sum()) - before:
            self._tell(points[:1].expand(count, -1, -1, -1))
        return became

    @torch.no_grad()
    def take(self, samples: Tensor, images: Tensor | None = None) -> None:
        """Keep images (S, C, H, W) of some samples (S,), or what is kept, and compute all of them anew."""
        if images is not None:
            self._images[samples] = images
        self._take(samples, self._images[samples])

    def _follow(self) -> "np.ndarray[tuple[int], np.dtype[np.int8]]":
        """Follow all changes, and say what became of each."""
        count = len(self._samples)
        outcome = np.empty(count, dtype=np.int8)
        data = self._samples.numpy(), self._images.numpy(), self._points.numpy(), self._program.chain, self._kept
        share = max(-(-count // len(self._buffers)), _FEWEST)

        def follow(first: int, buffers: object) -> None:
            kernel.follow_changes(first, min(first + share, count), *data, buffers, outcome)

        runs = list(zip(range(0, count, share), self._buffers, strict=False))
        others = [self._pool.submit(follow, *run) for run in runs[1:]]
        follow(*runs[0])
        for other in others:
            other.result()
        return outcome

    def _take(self, samples: Tensor, images: Tensor) -> None:
        """Compute all anew for images (S, C, H, W) of these samples."""
        self._program.take(self._state, samples, images)
        logits = self._rest(self._program.last(self._state, samples))
        if len(samples) == len(self._images):
            self._logits = logits[samples.argsort()]
        else:
            self._logits[samples] = logits
