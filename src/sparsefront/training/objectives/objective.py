"""The contract of what a model is trained for."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytorch_lightning as pl

from sparsefront.classifiers import ReadOut
from sparsefront.common.settings import CheckedSettings
from sparsefront.data.base import ImageData
from sparsefront.data.batch import Batch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.training.objectives.trained_model import TrainedModel
from sparsefront.training.objectives.training_step import TrainingStep


class Objective(CheckedSettings, ABC):
    """What a `DefendedClassifier` is trained for: batch -> loss, and how the loss is made small.

    A subclass writes `training_step` alone; YAML names it by its class, `model.objective: {class_path: my.Objective}`.
    Its settings are its constructor's; the model comes with each call, and is what `TrainedModel` says. Where none is
    named, it is the one that the classifier declares (`default_objective`), else `CrossEntropy`.

    The methods are called in this order: `check` when the model is built; `check_fit` before stage one, which may take
    hours, and again when a fit starts; `optimizers` and `begin` when a fit starts, checkpoints being loaded; then
    `training_step` for each batch, on each process with that process's images, the model in training mode.

    Attributes:
        trains_by_gradient: whether an optimizer steps after each batch along the gradient of `TrainingStep.loss`. Else
            an epoch is whole or nothing: one that is stopped leaves no checkpoint and begins anew.
        takes_projections: whether batches may hold what the front end returned (`ProjectedBatch`) in the place of
            images, as `FrontEndCache` serves them. An objective that moves pixels needs the images.
    """

    trains_by_gradient: ClassVar[bool] = True
    takes_projections: ClassVar[bool] = False

    @abstractmethod
    def training_step(self, model: TrainedModel, batch: Batch | NamedBatch, step: int) -> TrainingStep | None:
        """Make a loss of a batch.

        Args:
            model: what is trained; `model(images)` are its logits.
            batch: `image` (B, C, H, W) in [0, 1], augmented; `label` (B,); `index` (B,).
            step: the optimizer steps made so far, over all epochs.

        Returns:
            The loss, and what is logged beside it; None of a batch after which there is nothing to log, if
            `trains_by_gradient` is False.
        """

    def check(self, model: TrainedModel) -> None:
        """Refuse parts that cannot be trained so.

        Raises:
            ValueError: a classifier that is solved, where gradients train.
        """
        if self.trains_by_gradient and isinstance(model.classifier, ReadOut):
            raise ValueError(
                f"`objective` {type(self).__name__} trains by gradients, found {type(model.classifier).__name__}, "
                "which is solved; write `objective: null`, or take Logistic or MLP."
            )

    def check_fit(self, model: TrainedModel, trainer: pl.Trainer) -> None:
        """Refuse a trainer's settings under which it cannot train, before any long work.

        Raises:
            ValueError: such a setting.
        """

    def check_untrained(self, model: TrainedModel) -> None:
        """Refuse to evaluate a model for which no checkpoint is named, if it means nothing before a fit.

        Raises:
            ValueError: such a model.
        """

    def begin(self, model: TrainedModel) -> None:
        """Prepare for a fit; its data are known, and checkpoints are loaded.

        Raises:
            ValueError: training images of one class.
        """
        data = getattr(model.trainer, "datamodule", None)
        if isinstance(data, ImageData):
            data.check_training_labels()

    def optimizers(self, model: TrainedModel) -> Any:
        """Build the optimizer over all parameters to train and, if there is one, the schedule over all steps.

        Returns:
            What Lightning's `configure_optimizers` may return; an empty list where no optimizer is wanted.
        """
        optimizer = model.build_optimizer(parameter for parameter in model.parameters() if parameter.requires_grad)
        if model.build_scheduler is None:
            return optimizer
        scheduler = model.build_scheduler(optimizer, int(model.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
