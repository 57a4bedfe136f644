"""A front end and a classifier, trained and deployed as one."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics.classification import MulticlassAccuracy

from frontends import FrontEnd, Identity
from frontends.checkpoints import part_of, read_checkpoint
from sparsefront.data.batch import Batch
from sparsefront.data.projected_batch import ProjectedBatch
from sparsefront.mismatch import explain_mismatch

Builder = Callable[[tuple[int, int, int]], FrontEnd]
ClassifierBuilder = Callable[[int, int], nn.Module]


class DefendedClassifier(pl.LightningModule):
    """`classifier(frontend(images))`: (B, C, H, W) images in [0, 1] -> logits (B, `num_classes`).

    Where the front end makes several copies of an image, their probabilities are averaged.

    Training minimises the cross entropy of clean images over the classifier's parameters and those of the front end
    that its dictionary leaves to train (a decoder, say). The dictionary itself is learned before (`learn_front_end`).

    Args:
        classifier: a class whose first arguments are (input channels, number of classes), named in YAML with its
            other settings; it normalises its input itself.
        frontend: a class whose first argument is (C, H, W), named in YAML with its other settings.
        image_shape: (C, H, W) of the images. The command line takes it from the data.
        num_classes: number of classes. The command line takes it from the data.
        optimizer: a class whose first argument is the parameters.
        scheduler: a class whose first arguments are (optimizer, total number of steps), stepped every batch.
        frontend_checkpoint: a checkpoint with a learned front end of the same settings, of this one or of a whole
            defended classifier: its dictionary is taken instead of learning one.
        classifier_checkpoint: a checkpoint of a defended classifier with this classifier, whatever its front end: its
            weights are taken, to put a front end before a network that was trained without it.

    Raises:
        ValueError: a checkpoint of another front end, or a setting that the parts refuse.
        FileNotFoundError: no file at `frontend_checkpoint` or `classifier_checkpoint`.
    """

    def __init__(
        self,
        classifier: ClassifierBuilder,
        frontend: Builder = Identity,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        num_classes: int = 10,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] = torch.optim.Adam,
        scheduler: Callable[[Optimizer, int], LRScheduler] | None = None,
        frontend_checkpoint: str | None = None,
        classifier_checkpoint: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        # Named in YAML the parts are kept as text; classes given in Python would make the checkpoint unsafe to load.
        for name in [name for name, value in self.hparams.items() if callable(value)]:
            del self.hparams[name]
        self.frontend = frontend(image_shape)
        self.classifier = classifier(self.frontend.out_channels, num_classes)
        self.build_optimizer, self.build_scheduler = optimizer, scheduler
        self.num_classes = num_classes
        # Labels are checked here, and -1 is a prediction: of NaN.
        self.train_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        if frontend_checkpoint is not None:
            load_front_end(self.frontend, Path(frontend_checkpoint))
        if classifier_checkpoint is not None:
            load_classifier(self.classifier, Path(classifier_checkpoint))
        # From here on they are in this model's own checkpoints.
        self.hparams.update({"frontend_checkpoint": None, "classifier_checkpoint": None})

    @property
    def system(self) -> str:
        """What the tables call this model."""
        return f"{type(self.frontend).__name__} + {type(self.classifier).__name__}"

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of the deployed model."""
        return self.read(self.frontend(images))

    def read(self, seen: Tensor) -> Tensor:
        """Logits (B, K) of what the front end returned for B images: `n_copies` rows an image."""
        logits: Tensor = self.classifier(seen)
        n_copies = self.frontend.n_copies
        if n_copies == 1:
            return logits
        return logits.log_softmax(dim=1).unflatten(0, (-1, n_copies)).logsumexp(dim=1) - math.log(n_copies)

    def _check(self, batch: Batch, batch_idx: int) -> None:
        if batch_idx == 0 and not isinstance(batch, ProjectedBatch):
            self.frontend.check_images(batch.image)
        if len(batch.label):
            low, high = batch.label.aminmax()
            if low < 0 or high >= self.num_classes:
                raise ValueError(
                    f"`label` must lie in [0, {self.num_classes}), the classes, found [{low.item()}, {high.item()}]; "
                    "number the data's classes from 0, and check `num_classes`."
                )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Cross entropy of clean images, or of what the front end made of them before."""
        self._check(batch, batch_idx)
        logits = self.read(batch.image) if isinstance(batch, ProjectedBatch) else self(batch.image)
        loss = nn.functional.cross_entropy(logits, batch.label)
        self.train_acc(classes(logits), batch.label)
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def _evaluate(self, batch: Batch, batch_idx: int, stage: str, accuracy: MulticlassAccuracy) -> None:
        self._check(batch, batch_idx)
        logits = self(batch.image)
        accuracy(classes(logits), batch.label)
        loss = nn.functional.cross_entropy(logits, batch.label)
        self.log(f"{stage}/loss", loss, batch_size=len(batch.label), sync_dist=True)
        self.log(f"{stage}/clean_acc", accuracy, on_epoch=True, prog_bar=True)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Clean loss and accuracy; the attacks are the evaluation callback's."""
        self._evaluate(batch, batch_idx, "val", self.val_acc)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Clean loss and accuracy; the attacks are the evaluation callback's."""
        self._evaluate(batch, batch_idx, "test", self.test_acc)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `index` (B,), `label` (B,), `prediction` (B,) and `probability` (B, K)."""
        self._check(batch, batch_idx)
        probability = self(batch.image).softmax(dim=1)
        prediction = classes(probability)
        return {"index": batch.index, "label": batch.label, "prediction": prediction, "probability": probability}

    def configure_optimizers(self) -> Any:
        """Build the optimizer over all parameters and, if there is one, the schedule over all steps."""
        optimizer = self.build_optimizer(parameter for parameter in self.parameters() if parameter.requires_grad)
        if self.build_scheduler is None:
            return optimizer
        scheduler = self.build_scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Refuse to train behind a front end that has not learned; a checkpoint is loaded by now."""
        if not self.frontend.learned:
            raise RuntimeError(
                f"{type(self.frontend).__name__} has not learned yet: call "
                "sparsefront.learn_front_end(model, data, trainer) first, or use `sparsefront fit`, which does it."
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the difference when the checkpoint's front end or classifier has other tensors than this model."""
        explain_mismatch(self, checkpoint["state_dict"], "The checkpoint", "the model's")


def classes(logits: Tensor) -> Tensor:
    """The predicted classes (B,) of logits (B, K); -1, which is nobody's label, where one is not a number."""
    return logits.argmax(dim=1).masked_fill(logits.isnan().any(dim=1), -1)


def load_front_end(frontend: FrontEnd, path: Path) -> None:
    """Fill a front end from a checkpoint of its own or of a whole `DefendedClassifier`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the checkpoint is another front end's, or that one has not learned either.
    """
    state = read_checkpoint(path, "frontend_checkpoint")
    state = part_of(state, "frontend") or state
    kind = type(frontend).__name__
    explain_mismatch(frontend, state, f"`frontend_checkpoint` {path}", f"this {kind}'s")
    if not state["learned"]:
        raise ValueError(f"`frontend_checkpoint` must hold a learned front end, found one that is not, in {path}.")
    frontend.load_state_dict(state)


def load_classifier(classifier: nn.Module, path: Path) -> None:
    """Fill a classifier from a checkpoint of a whole `DefendedClassifier`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the checkpoint holds another classifier, or none.
    """
    state = part_of(read_checkpoint(path, "classifier_checkpoint"), "classifier")
    explain_mismatch(classifier, state, f"`classifier_checkpoint` {path}", f"this {type(classifier).__name__}'s")
    classifier.load_state_dict(state)
