"""Train behind a frozen front end that runs once over the training images, not once an epoch."""

from pathlib import Path
from typing import get_args

import pytorch_lightning as pl

from sparsefront.common.frozen_model import frozen_model
from sparsefront.common.home import at_home
from sparsefront.common.settings import check_kinds
from sparsefront.data import ImageData
from sparsefront.data.cached.projected_split import ProjectedSplit
from sparsefront.model.defended import DefendedClassifier
from sparsefront.training.cacheable import check_cacheable
from sparsefront.training.projection_work import CacheType, ProjectionWork


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
        if dtype not in get_args(CacheType):
            raise ValueError(
                f"`frontend_cache.dtype` must be one of {', '.join(get_args(CacheType))}, found {dtype!r}."
            )
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
        check_cacheable(model, data, codes_allowed=self.dtype != "uint8")

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Serve the results in place of the training images; the loader is built now, `on_fit_start` fills them in."""
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
            work = ProjectionWork(trainer, pl_module, data, self.dtype)
            data.projected.projections = work.projections(Path(str(self.folder)))

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Serve images again: the next model may have another front end."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, ImageData):
            data.projected = None

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Let the data serve images again, after a fit that failed."""
        self.teardown(trainer, pl_module, "fit")
