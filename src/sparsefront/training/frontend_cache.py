"""Train behind a frozen front end that runs once over the training images, not once an epoch."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from sparsefront.common.home import at_home
from sparsefront.common.processes import Processes
from sparsefront.common.settings import check_kinds
from sparsefront.common.source_code import code_of
from sparsefront.data import ImageData
from sparsefront.data.cached.projected_split import ProjectedSplit
from sparsefront.data.cached.projections import Projections
from sparsefront.data.chunks import in_chunks
from sparsefront.data.progress import progress
from sparsefront.data.split import Split, as_is
from sparsefront.evaluation.fingerprint import described, image_numbers
from sparsefront.evaluation.frozen_model import frozen_model
from sparsefront.model.defended import DefendedClassifier

CacheType = Literal["exact", "float16", "uint8"]


class FrontEndCache(pl.Callback):
    """Lets `fit` train on T(x), computed once for every training image x by the frozen front end T and kept on disk.

    Before the first epoch the front end runs over the training images as they are, in evaluation mode, on every
    process its share; an interrupted run goes on where it was. Training then serves T(x), on which the augmentation
    acts, and leaves the front end out. Validation, tests and attacks always go through the front end itself.

    Each folder of results is named after what made them: the front end's class, settings and tensors, the code that
    they follow from, the content of every training image, the trainer's precision, the kind of device. Whatever
    differs is computed anew, beside what is there; runs in which nothing differs share one folder.

    Args:
        folder: holds the results of all front ends and data, seen by all processes; null trains as ever.
        dtype: how T(x) is kept: `exact` as the front end returns it, four bytes a number; `float16`, two, off by up to
            2.5e-4; `uint8`, one, in steps of 1/255 as in a picture file, for images alone.

    Raises:
        ValueError: a `dtype` that is none; before any training a front end that draws at random, makes copies or is
            trained with the classifier, codes with an augmentation, data that repeats images, a folder that has no room
            or cannot be written to.
    """

    def __init__(self, folder: str | None = None, dtype: CacheType = "exact") -> None:
        if dtype not in ("exact", "float16", "uint8"):
            raise ValueError(f"`frontend_cache.dtype` must be one of exact, float16, uint8, found {dtype!r}.")
        check_kinds(FrontEndCache.__init__, {"folder": folder})
        self.folder, self.dtype = None if folder is None else at_home(folder), dtype

    def check(self, model: pl.LightningModule, data: pl.LightningDataModule | None) -> None:
        """Raise a ValueError if T(x) cannot be kept for this model and data."""
        if self.folder is None:
            return
        if not isinstance(model, DefendedClassifier) or not isinstance(data, ImageData):
            raise ValueError(
                "`frontend_cache.folder` needs a DefendedClassifier and an ImageData as `datamodule`, found "
                f"{type(model).__name__} and {type(data).__name__}; train without it."
            )
        if data.repeats:
            raise ValueError(
                f"`frontend_cache.folder` needs data that serves each image once, found {type(data).__name__}, which "
                "repeats some; write `data.people.positive_share: null` and `model.class_weights`, or no folder."
            )
        if not model.objective.takes_projections:
            raise ValueError(
                "`frontend_cache.folder` needs an objective that trains on what the front end returns, found "
                f"{type(model.objective).__name__}, which needs the images; write null to run it in every epoch."
            )
        frontend = model.frontend
        trained = [name for name, parameter in frontend.named_parameters() if parameter.requires_grad]
        codes = not frontend.returns_images
        once = "a front end that returns"
        rules = [
            (frontend.randomised, f"{once} the same in every call", "draws anew in each"),
            (frontend.n_copies != 1, f"{once} one result an image", f"returns {frontend.n_copies}"),
            (
                bool(trained),
                "a frozen front end",
                f"leaves {len(trained)} tensors to train, {', '.join(trained[:1])} first",
            ),
            (
                codes and data.augment != "none",
                f"{once} images where `data.augment` is {data.augment}",
                "returns codes",
            ),
            (codes and self.dtype == "uint8", f"{once} images where `frontend_cache.dtype` is uint8", "returns codes"),
        ]
        for broken, needed, found in rules:
            if broken:
                raise ValueError(
                    f"`frontend_cache.folder` needs {needed}, found {type(frontend).__name__}, which {found}; write "
                    "null to run it in every epoch."
                )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Put the results in the place of the training images, before a loader is built; they are not there yet."""
        if stage != "fit" or self.folder is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        self.check(pl_module, data)
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]  # which one batch is not worth it
            data.projected = ProjectedSplit(data.plain_training_split())

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Find the results, or make them, now that a checkpoint is loaded and the front end is on its device.

        Raises:
            ValueError: a folder that has no room or cannot be written to.
        """
        data = trainer.datamodule  # type: ignore[attr-defined]
        if self.folder is None or data.projected is None or not isinstance(pl_module, DefendedClassifier):
            return
        if not pl_module.frontend.learned:
            return  # the model says so next
        with frozen_model(pl_module.frontend):  # the front end as deployed, and no trace of this in the training
            data.projected.projections = self._projections(trainer, pl_module, data)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Serve images again: the next model may have another front end."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, ImageData):
            data.projected = None

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Serve images again."""
        self.teardown(trainer, pl_module, "fit")

    def _projections(self, trainer: pl.Trainer, model: DefendedClassifier, data: ImageData) -> Projections:
        """Whole ones; all processes take the same way through this."""
        split, processes = data.plain_training_split(), Processes(trainer.strategy)
        about = self._about(trainer, model, data, split)
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        folder = Path(str(self.folder), processes.on_first(lambda: f"{type(model.frontend).__name__}-{digest[:32]}"))
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        kept = Projections(folder, len(split))
        if processes.on_first(lambda: kept.whole):
            processes.on_first(lambda: _check_kept(kept))
            return kept
        with kept.alone() if trainer.is_global_zero else nullcontext():
            trainer.strategy.barrier()
            if not processes.on_first(lambda: kept.whole):  # by now another run may have filled them
                self._fill(kept, trainer, model, data, split, about)
        return kept

    def _about(self, trainer: pl.Trainer, model: DefendedClassifier, data: ImageData, split: Split) -> dict[str, Any]:
        """All that the results follow from."""
        share = torch.arange(len(split)).tensor_split(trainer.world_size)[trainer.global_rank]
        numbers = torch.zeros(len(split), dtype=torch.int64)
        read = partial(_numbers, split, share)
        for chunk, found in in_chunks(read, len(share), data.num_workers, "reading the training images"):
            numbers[share[chunk]] = found
        numbers = Processes(trainer.strategy).sum(numbers)
        return {
            "frontend": described(model.frontend),
            "code": code_of(model.frontend),
            "images": [*data.image_shape, hashlib.sha256(numbers.numpy().tobytes()).hexdigest()],
            "number": len(split),
            "precision": str(trainer.precision),
            "device": model.device.type,
            "dtype": self.dtype,
        }

    def _fill(
        self,
        found: Projections,
        trainer: pl.Trainer,
        model: DefendedClassifier,
        data: ImageData,
        split: Split,
        about: dict[str, Any],
    ) -> None:
        """Run the front end over the images whose results are missing, each process over its share."""
        frontend, strategy = model.frontend, trainer.strategy
        first = split.__getitems__([0]).image
        frontend.check_images(first)
        example = _project(trainer, model, first)
        exact = np.dtype(np.float64 if example.dtype == torch.float64 else np.float32)
        dtype = exact if self.dtype == "exact" else np.dtype(self.dtype)
        self._check_room(found, found.size(example.shape[1:], dtype), trainer)
        strategy.barrier()  # all have looked at the room before one takes it
        if trainer.is_global_zero:
            with _writing(found.folder):
                found.begin(example.shape[1:], dtype)
        strategy.barrier()
        missing = found.missing()
        strategy.barrier()  # all have seen what is missing before one writes
        share = missing.tensor_split(trainer.world_size)[trainer.global_rank].split(data.batch_size)
        batches = [rows for rows in share if len(rows)]
        loader = DataLoader(
            split,
            batch_sampler=[rows.tolist() for rows in batches],
            num_workers=data.num_workers,
            collate_fn=as_is,
        )
        doing = f"{type(frontend).__name__} over the training images"
        for rows, batch in zip(batches, progress(loader, doing, len(batches)), strict=True):
            seen = _project(trainer, model, batch.image)
            with _writing(found.folder):
                found.write(rows, seen)
        strategy.barrier()
        if trainer.is_global_zero:
            found.end(about)
        strategy.barrier()

    def _check_room(self, found: Projections, size: int, trainer: pl.Trainer) -> None:
        """Say what the results take, and raise a ValueError if there is no room for them."""
        free = shutil.disk_usage(found.folder).free + found.taken()
        said = f"{size:,} bytes for T(x) of {found.number:,} training images"
        if size > free:
            raise ValueError(
                f"`frontend_cache.folder` must have room for {said}, found {free:,} bytes free in {found.folder}; name "
                "a folder on another disk, or write `frontend_cache.dtype: float16`."
            )
        if trainer.is_global_zero:
            print(f"Front end cache: {said}, {free:,} are free, in {found.folder}.", flush=True)


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


def _numbers(split: Split, share: Tensor, chunk: Tensor) -> Tensor:
    """Content numbers of some images of a share of a split."""
    return image_numbers(split.source.pixels(split.positions[share[chunk]]))


def _project(trainer: pl.Trainer, model: DefendedClassifier, images: Tensor) -> Tensor:
    """T(x) as a step of the trainer computes it."""
    images = trainer.precision_plugin.convert_input(images.to(model.device))
    with torch.no_grad(), trainer.precision_plugin.forward_context():
        seen: Tensor = model.frontend(images)
    return seen
