"""Small images of three kinds, whose last hidden layer is their pixels."""

import pytorch_lightning as pl
import torch

from sparsefront import DefendedClassifier
from sparsefront.data import ImageData
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.frontends import Identity
from tests.helpers.linear_rig import Linear

SHAPE = (1, 4, 4)


class Kinds(ImageData):
    """60 images, 20 of each of three classes: 18 to test, the others to train."""

    def __init__(self, batch_size=5):
        super().__init__(
            image_shape=SHAPE, class_names=("<b>one</b>", "two $x$", "three"), own_parts=("train",),
            batch_size=batch_size, val_size=0, test_size=18, seed=0, num_workers=0, augment="none",
        )  # fmt: skip
        generator = torch.Generator().manual_seed(1)
        self.images = torch.randint(60, 200, (60, *SHAPE), dtype=torch.uint8, generator=generator)

    def source(self, part):
        return ArrayImages(self.images, torch.arange(60) % 3, SHAPE[1:])


def defended(frontend=Identity):
    return DefendedClassifier(Linear, frontend, image_shape=SHAPE, num_classes=3)


def evaluated(folder, callback, model=None, data=None, verb="test", **settings):
    trainer = pl.Trainer(
        accelerator="cpu", callbacks=[callback], logger=pl.loggers.CSVLogger(folder, name=""),
        **{"enable_progress_bar": False} | settings, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    getattr(trainer, verb)(model or defended(), datamodule=data or Kinds(), verbose=False)
    return trainer
