"""An epoch of training behind STL, with and without the front end's cache, against one without a front end."""

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial

import pytorch_lightning as pl
import torch
from torch import Tensor

from benchmarks.contest import Contest, Goal
from benchmarks.stl.inputs import N_LEARNED, SMALL, Inputs
from sparsefront import DefendedClassifier, FrontEndCache
from sparsefront.classifiers import CIFARResNet
from sparsefront.data import ImageData
from sparsefront.data.splits.parts import PartName
from sparsefront.data.splits.sources import ArrayImages, ImageSource
from sparsefront.frontends import FrontEnd, Identity

PLAIN, KEPT, ANEW = "no front end", "STL, 4 clusters, cached", "STL, 4 clusters, anew"


class Pictures(ImageData):
    """Pictures (N, C, H, W) in [0, 1] with labels without meaning; all but one of them train."""

    def __init__(self, images: Tensor) -> None:
        parts: tuple[PartName, ...] = ("train",)
        super().__init__(
            image_shape=(images.shape[1], images.shape[2], images.shape[3]), class_names=tuple("0123456789"),
            own_parts=parts, batch_size=64, val_size=1, test_size=0, seed=0, num_workers=0, augment="none",
        )  # fmt: skip
        self.images = images.mul(255).round().byte()

    def source(self, part: PartName) -> ImageSource:
        """All of them."""
        return ArrayImages(self.images, torch.arange(len(self.images)) % 10, self.image_shape[1:])


def contests(inputs: Inputs, sides: Sequence[int]) -> Iterator[Contest]:
    """A ResNet-32 at 32x32. What is cached is read and checked once a run; the first run, which fills it, warms up."""
    if SMALL not in sides:
        return
    images = inputs.images(SMALL)[: N_LEARNED[SMALL]]
    stl = inputs.frontend(SMALL, 4)
    with tempfile.TemporaryDirectory() as folder:
        yield Contest(
            path="epoch",
            setting=f"ResNet-32, {len(images)} images 32x32",
            signals=len(images),
            unit="images",
            runs={
                KEPT: partial(_epoch, images, stl, folder),
                ANEW: partial(_epoch, images, stl, None),
                PLAIN: partial(_epoch, images, Identity(stl.image_shape), None),
            },
            goals=[Goal(KEPT, PLAIN, 0.9), Goal(KEPT, ANEW, 0)],
            rounds=3,
        )


def _epoch(images: Tensor, frontend: FrontEnd, folder: str | None) -> None:
    torch.manual_seed(0)
    model = DefendedClassifier(CIFARResNet, lambda _shape: frontend, image_shape=frontend.image_shape)
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=1, limit_val_batches=0, logger=False, enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False, callbacks=[FrontEndCache(folder)],
    )  # fmt: skip
    trainer.fit(model, Pictures(images))
