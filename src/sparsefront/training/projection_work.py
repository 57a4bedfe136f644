"""What a frozen front end makes of all training images, computed once and kept on disk."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sparsefront.common.processes import Processes
from sparsefront.common.source_code import code_of
from sparsefront.data import ImageData
from sparsefront.data.cached.projections import Projections
from sparsefront.data.loading.chunks import in_chunks
from sparsefront.data.loading.progress import progress
from sparsefront.data.splits.split import Split, as_is
from sparsefront.model.defended import DefendedClassifier
from sparsefront.model.described import described, image_numbers

CacheType = Literal["exact", "float16", "uint8"]


class ProjectionWork:
    """Computes T(x) for every training image x, on all processes of a trainer, each its share.

    Args:
        trainer: whose precision and processes compute.
        model: T is its front end, in evaluation mode.
        data: gives the training images, without augmentation.
        dtype: how T(x) is kept, see `FrontEndCache`.
    """

    def __init__(self, trainer: pl.Trainer, model: DefendedClassifier, data: ImageData, dtype: CacheType) -> None:
        self._trainer = trainer
        self._model = model
        self._data = data
        self._dtype = dtype
        self._split = data.plain_training_split()
        self._processes = Processes(trainer.strategy)

    def projections(self, home: Path) -> Projections:
        """Whole results, in a folder below `home` named after what they follow from; all processes call this.

        Raises:
            ValueError: a folder that has no room or cannot be written to; on all processes, kept results that are
                damaged.
        """
        origin = self._origin()
        digest = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()
        name = f"{type(self._model.frontend).__name__}-{digest[:32]}"
        folder = home / self._processes.on_first(lambda: name)
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        kept = Projections(folder, len(self._split))
        if self._processes.on_first(lambda: kept.whole):
            self._processes.on_first(lambda: _check_kept(kept))
            return kept
        with kept.alone() if self._trainer.is_global_zero else nullcontext():
            self._trainer.strategy.barrier()
            if not self._processes.on_first(lambda: kept.whole):  # by now another run may have filled them
                self._fill(kept, origin)
        return kept

    def _origin(self) -> dict[str, Any]:
        """All that the results follow from."""
        places = torch.arange(len(self._split)).tensor_split(self._trainer.world_size)[self._trainer.global_rank]
        numbers = torch.zeros(len(self._split), dtype=torch.int64)
        read = partial(_content_numbers, self._split, places)
        doing = "reading the training images"
        for chunk, chunk_numbers in in_chunks(read, len(places), self._data.num_workers, doing):
            numbers[places[chunk]] = chunk_numbers
        numbers = self._processes.sum(numbers)
        return {
            "frontend": described(self._model.frontend),
            "code": code_of(self._model.frontend),
            "images": [*self._data.image_shape, hashlib.sha256(numbers.numpy().tobytes()).hexdigest()],
            "number": len(self._split),
            "precision": str(self._trainer.precision),
            "device": self._model.device.type,
            "dtype": self._dtype,
        }

    def _fill(self, kept: Projections, origin: dict[str, Any]) -> None:
        """Run the front end over the images whose results are missing."""
        strategy = self._trainer.strategy
        self._begin(kept)
        strategy.barrier()
        missing = kept.missing()
        strategy.barrier()  # all have seen what is missing before one writes
        places = missing.tensor_split(self._trainer.world_size)[self._trainer.global_rank]
        batches = [rows for rows in places.split(self._data.batch_size) if len(rows)]
        doing = f"{type(self._model.frontend).__name__} over the training images"
        for rows, batch in zip(batches, progress(self._loader(batches), doing, len(batches)), strict=True):
            projected = self._project(batch.image)
            with _writing(kept.folder):
                kept.write(rows, projected)
        strategy.barrier()
        if self._trainer.is_global_zero:
            kept.end(origin)
        strategy.barrier()

    def _begin(self, kept: Projections) -> None:
        """Make the files, of the size and type that the result of one image has, if there is room."""
        first = self._split.__getitems__([0]).image
        self._model.frontend.check_images(first)
        example = self._project(first)
        exact = np.dtype(np.float64 if example.dtype == torch.float64 else np.float32)
        dtype = exact if self._dtype == "exact" else np.dtype(self._dtype)
        self._check_room(kept, kept.size(example.shape[1:], dtype))
        self._trainer.strategy.barrier()  # all have looked at the room before one takes it
        if self._trainer.is_global_zero:
            with _writing(kept.folder):
                kept.begin(example.shape[1:], dtype)

    def _loader(self, batches: Sequence[Tensor]) -> DataLoader[Any]:
        sampler = [rows.tolist() for rows in batches]
        return DataLoader(self._split, batch_sampler=sampler, num_workers=self._data.num_workers, collate_fn=as_is)

    def _project(self, images: Tensor) -> Tensor:
        """T(x) as a step of the trainer computes it."""
        precision = self._trainer.precision_plugin
        images = precision.convert_input(images.to(self._model.device))
        with torch.no_grad(), precision.forward_context():
            projected: Tensor = self._model.frontend(images)
        return projected

    def _check_room(self, kept: Projections, size: int) -> None:
        """Say what the results take, and raise a ValueError if there is no room for them."""
        free = shutil.disk_usage(kept.folder).free + kept.taken()
        need = f"{size:,} bytes for T(x) of {kept.number:,} training images"
        if size > free:
            raise ValueError(
                f"`frontend_cache.folder` must have room for {need}, found {free:,} bytes free in {kept.folder}; name "
                "a folder on another disk, or write `frontend_cache.dtype: float16`."
            )
        if self._trainer.is_global_zero:
            print(f"Front end cache: {need}, {free:,} are free, in {kept.folder}.", flush=True)


def _check_kept(kept: Projections) -> None:
    """Say what is trained on, or raise a ValueError if it is not what was kept."""
    kept.check()
    print(f"Training on what is kept in {kept.folder}.", flush=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"`frontend_cache.folder` must be one that can be written to, found {folder} ({error.strerror}); name "
            "another."
        ) from error


def _content_numbers(split: Split, places: Tensor, chunk: Tensor) -> Tensor:
    """Content numbers of some images of those at `places` in a split."""
    return image_numbers(split.source.pixels(split.positions[places[chunk]]))
