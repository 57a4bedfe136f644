"""A front end and a classifier, trained and deployed as one."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics.classification import MulticlassAccuracy

from sparsefront.classifiers import ReadOut
from sparsefront.common.build_part import build_part
from sparsefront.common.checkpoints.checkpoint import Checkpoint, content_of
from sparsefront.common.checkpoints.checkpoint_file import read_checkpoint, read_whole_checkpoint
from sparsefront.common.checkpoints.mismatch import explain_mismatch
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.checkpoints.weight_names import unwrapped
from sparsefront.common.logits import logits_of
from sparsefront.common.settings import checked_settings
from sparsefront.data.base import ImageData
from sparsefront.data.batch import Batch
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.frontends import FrontEnd, Identity
from sparsefront.model.known_classes import note_named
from sparsefront.model.place import place
from sparsefront.model.rebuilding import SOURCES, described_settings
from sparsefront.model.single_image import explained
from sparsefront.runs.same_settings import other_part
from sparsefront.training.objectives.read_out_fit import ReadOutFit, check_read_out

Builder = Callable[[tuple[int, int, int]], FrontEnd]
ClassifierBuilder = Callable[[int, int], nn.Module]


@checked_settings
class DefendedClassifier(pl.LightningModule):
    """`classifier(frontend(images))`: (B, C, H, W) images in [0, 1] -> logits (B, `num_classes`).

    Where the front end makes several copies of an image, their probabilities are averaged.

    Training minimises the cross entropy of clean images over the classifier's parameters and those of the front end
    that its dictionary leaves to train (a decoder, say). The dictionary itself is learned before (`learn_front_end`).
    A classifier that is a `ReadOut` is solved instead, on what the front end makes of one epoch's training images.

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
        classifier_checkpoint: a checkpoint of a defended classifier with this classifier, whatever its front end, or a
            file of the classifier's own weights (`torch.save(net.state_dict(), path)`, .safetensors): they are taken,
            to put a front end before a network that was trained without it.
        class_weights: of each class in the cross entropy, for classes of which some are rare; null: 1 for all. The loss
            is the mean over the images of weight times cross entropy. It is not divided by the weights of the batch,
            which would let a rare class count for less where it occurs. A `ReadOut` has its own way.

    Attributes:
        taken_from: the checkpoints that its parts, or the whole `model`, were taken from, by part.
        reached: epoch and step of the checkpoint that was loaded, None if none was.
        differs: settings that are others than those its weights were trained with, in words.

    Raises:
        ValueError: fewer than 2 classes, a checkpoint of another front end, `class_weights` that are not one positive
            number a class, a classifier of codes behind a front end that returns images, or a setting that the parts
            refuse.
        FileNotFoundError: no file at `frontend_checkpoint` or `classifier_checkpoint`.
    """

    class_weights: Tensor | None
    logs_clean_acc = True  # else a callback that attacks some of the samples logs it, over those
    reached: tuple[int, int] | None = None
    differs: tuple[str, ...] = ()

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
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(
                f"`num_classes` must be at least 2, found {num_classes}: whatever is shown, a model of one class is"
                " right and robust; add data of another class, or name a trained network's in `data.classes`."
            )
        self.save_hyperparameters()
        # Named in YAML the parts are kept as text; classes given in Python would make the checkpoint unsafe to load.
        for name in [name for name, value in self.hparams.items() if callable(value)]:
            del self.hparams[name]
        self.frontend = build_part("frontend", frontend, {"image_shape": image_shape}, FrontEnd)
        sizes = {"in_chans": self.frontend.out_channels, "num_classes": num_classes}
        self.classifier = build_part("classifier", classifier, sizes, nn.Module)
        note_named(self.frontend, self.classifier)
        check_read_out(self.classifier, self.frontend)
        self._read_out_fit = ReadOutFit()
        self.automatic_optimization = not isinstance(self.classifier, ReadOut)
        # A setting, not a weight: checkpoints come without it.
        self.register_buffer("class_weights", _weights(class_weights, num_classes), persistent=False)
        self.build_optimizer, self.build_scheduler = optimizer, scheduler
        self.num_classes = num_classes
        # Labels are checked here, and -1 is a prediction: of NaN.
        self.train_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.taken_from: dict[str, Checkpoint] = {}
        if frontend_checkpoint is not None:
            self.taken_from["frontend"] = load_front_end(self.frontend, Path(frontend_checkpoint))
        if classifier_checkpoint is not None:
            found = load_classifier(self.classifier, Path(classifier_checkpoint))
            self.taken_from["classifier"] = found
            differing = other_part(content_of(found.path) or {}, "classifier", self.hparams)
            self.differs = tuple(map(str, differing))
        # From here on they are in this model's own checkpoints.
        self.hparams.update({"frontend_checkpoint": None, "classifier_checkpoint": None})
        if isinstance(named := self.hparams.get("classifier"), dict):
            settings = named.get("init_args", {})
            settings = {name: SOURCES.get(name, value) for name, value in settings.items()}
            self.hparams["classifier"] = named | {"init_args": settings}

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | Path, map_location: Any = None, **settings: Any
    ) -> "DefendedClassifier":
        """The model in a checkpoint; of what the file names, only classes that are known already are built.

        Args:
            checkpoint_path: of a checkpoint that the command line wrote, or a Trainer; or a run's folder.
            map_location: device of the model; None leaves it on the CPU.
            settings: constructor arguments that take the place of the checkpoint's, or that it has not, because the
                model was built from Python.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no whole checkpoint, one that names a class that is not known or something else than a class,
                or one of another model.
        """
        found = find_checkpoint(checkpoint_path, "checkpoint_path")
        checkpoint = read_whole_checkpoint(found.path, "checkpoint_path")
        model = cls(**described_settings(cls, checkpoint.get("hyper_parameters", {}), settings))
        model.on_load_checkpoint(checkpoint)
        model.load_state_dict(checkpoint["state_dict"])
        model.taken_from = {"model": found}
        return model if map_location is None else model.to(map_location)

    @property
    def system(self) -> str:
        """What the tables call this model."""
        return f"{type(self.frontend).__name__} + {type(self.classifier).__name__}"

    @property
    def reads(self) -> torch.dtype:
        """The precision of its weights, and so of the images that it reads."""
        return next((one.dtype for one in self.parameters() if one.is_floating_point()), torch.get_default_dtype())

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K) of the deployed model."""
        return self.logits_from(self.frontend(images.clone()))  # which may write into what it is given

    def logits_from(self, seen: Tensor) -> Tensor:
        """Logits (B, K) of what the front end returned for B images: `n_copies` rows an image."""
        logits = self.classify(seen)
        n_copies = self.frontend.n_copies
        return logits if n_copies == 1 else _averaged(logits.unflatten(0, (-1, n_copies)))

    def classify(self, seen: Tensor) -> Tensor:
        """The classifier's logits (N, K) of inputs (N, C, H, W), which stay as they are whatever it does to its own."""
        return logits_of(self.classifier(seen.clone()), f"`model.classifier` {type(self.classifier).__name__}")

    def _check(self, batch: Batch | NamedBatch, batch_idx: int) -> None:
        if batch_idx == 0 and not isinstance(batch, ProjectedBatch):
            self.frontend.check_images(batch.image)
        if len(batch.label):
            low, high = batch.label.aminmax()
            if low < 0 or high >= self.num_classes:
                raise ValueError(
                    f"`label` must lie in [0, {self.num_classes}), the classes, found [{low.item()}, {high.item()}]; "
                    "number the data's classes from 0, and check `num_classes`."
                )

    def training_step(self, batch: Batch | NamedBatch, batch_idx: int) -> Tensor | None:
        """Cross entropy of clean images, or of what the front end made of them before; a `ReadOut` has no loss."""
        self._check(batch, batch_idx)
        if isinstance(self.classifier, ReadOut):
            self._collect(batch, self.classifier)
            return None
        with explained(len(batch.label)):
            logits = self.logits_from(batch.image) if isinstance(batch, ProjectedBatch) else self(batch.image)
        return self._log_training(logits, batch.label)

    def _collect(self, batch: Batch | NamedBatch, read_out: ReadOut) -> None:
        """Keep what the read-out is solved from, and solve it when the epoch has brought all of it."""
        self.frontend.eval()  # as deployed
        with torch.no_grad():
            seen = batch.image if isinstance(batch, ProjectedBatch) else self.frontend(batch.image)
            codes = read_out.pool(seen).unflatten(0, (-1, self.frontend.n_copies))
        self._read_out_fit.add(codes, batch.label, batch.index)
        if self.trainer.is_last_batch:
            codes, labels = self._read_out_fit.solve(self.trainer, read_out)
            with torch.no_grad():
                self._log_training(_averaged(read_out.linear(codes)), labels)
            # Nothing moves, but Lightning counts a step: it keeps no checkpoint of a model that made none.
            cast(LightningOptimizer, self.optimizers()).step()

    def _log_training(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = self.loss(logits, labels)
        self.train_acc(classes(logits), labels)
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy with `class_weights`, the mean over the images."""
        if self.class_weights is None:
            return nn.functional.cross_entropy(logits, labels)
        return nn.functional.cross_entropy(logits, labels, self.class_weights, reduction="sum") / len(labels)

    def _evaluate(self, batch: Batch, batch_idx: int, stage: str, accuracy: MulticlassAccuracy) -> Tensor:
        self._check(batch, batch_idx)
        logits = self(batch.image)
        predictions = classes(logits)
        accuracy(predictions, batch.label)
        self.log(f"{stage}/loss", self.loss(logits, batch.label), batch_size=len(batch.label), sync_dist=True)
        names = ("acc", "clean_acc") if self.logs_clean_acc else ("acc",)
        for name in names:
            self.log(f"{stage}/{name}", accuracy, on_epoch=True, prog_bar=name == "acc")
            number = float(len(batch.label))
            self.log(f"{stage}/{name}/n", number, on_epoch=True, reduce_fx="sum", sync_dist=True, batch_size=1)
        return predictions

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Clean loss and accuracy, and the predictions (B,); the attacks are the evaluation callback's."""
        return self._evaluate(batch, batch_idx, "val", self.val_acc)

    def test_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Clean loss and accuracy, and the predictions (B,); the attacks are the evaluation callback's."""
        return self._evaluate(batch, batch_idx, "test", self.test_acc)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Return `index` (B,), `label` (B,), `prediction` (B,), `probability` (B, K) and, of codes, `codes` (B, C).

        Codes are the means over the positions, and over the copies of an image.
        """
        self._check(batch, batch_idx)
        seen = self.frontend(batch.image)
        probability = self.logits_from(seen).softmax(dim=1)
        found = {"index": batch.index, "label": batch.label, "prediction": classes(probability)}
        if not self.frontend.returns_images:
            found["codes"] = seen.flatten(2).mean(dim=2).unflatten(0, (-1, self.frontend.n_copies)).mean(dim=1)
        return {**found, "probability": probability}

    def configure_optimizers(self) -> Any:
        """Build the optimizer over all parameters and, if there is one, the schedule over all steps."""
        if isinstance(self.classifier, ReadOut):
            return torch.optim.SGD(self.classifier.parameters(), lr=0.0)  # counts a step, and is asked for nothing else
        optimizer = self.build_optimizer(parameter for parameter in self.parameters() if parameter.requires_grad)
        if self.build_scheduler is None:
            return optimizer
        scheduler = self.build_scheduler(optimizer, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_fit_start(self) -> None:
        """Refuse to train behind a front end that has not learned, or on one class; a checkpoint is loaded by now."""
        if not self.frontend.learned:
            raise RuntimeError(
                f"{type(self.frontend).__name__} has not learned yet: call "
                "sparsefront.learn_front_end(model, data, trainer) first, or use `sparsefront fit`, which does it."
            )
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(self.classifier, ReadOut):  # which looks at its labels itself
            self._read_out_fit.begin(self.trainer, self.classifier)
        elif isinstance(data, ImageData):
            data.check_training_labels()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the difference when the checkpoint's front end or classifier has other tensors than this model."""
        explain_mismatch(self, checkpoint["state_dict"], "The checkpoint", "the model's")
        self.reached = checkpoint.get("epoch", 0), checkpoint.get("global_step", 0)
        if self._trainer is not None and self._trainer.state.fn != TrainerFn.FITTING:
            place(self._trainer, *self.reached)


def classes(logits: Tensor) -> Tensor:
    """The predicted classes (B,) of logits (B, K); -1, which is nobody's label, where one is not a number."""
    return logits.argmax(dim=1).masked_fill(logits.isnan().any(dim=1), -1)


def _averaged(logits: Tensor) -> Tensor:
    """Log-probabilities (B, K), the mean over the copies of each image, of logits (B, `n_copies`, K)."""
    return logits.log_softmax(dim=2).logsumexp(dim=1) - math.log(logits.shape[1])


def _weights(class_weights: Sequence[float] | None, num_classes: int) -> Tensor | None:
    if class_weights is None:
        return None
    if len(class_weights) != num_classes or not all(0 < weight < math.inf for weight in class_weights):
        raise ValueError(
            f"`class_weights` must have a positive number for each of {num_classes} classes, found "
            f"{list(class_weights)}; write null for equal ones."
        )
    return torch.tensor(class_weights, dtype=torch.get_default_dtype())


def load_front_end(frontend: FrontEnd, path: Path) -> Checkpoint:
    """Fill a front end from a checkpoint of its own or of a whole `DefendedClassifier`; returns which it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the checkpoint is another front end's, or that one has not learned either.
    """
    found = find_checkpoint(path, "frontend_checkpoint", front_end=True)
    path = found.path
    state = unwrapped(read_checkpoint(path, "frontend_checkpoint"), frontend.state_dict(), ("frontend", ""))
    kind = type(frontend).__name__
    explain_mismatch(frontend, state, f"`frontend_checkpoint` {path}", f"this {kind}'s")
    if not state["learned"]:
        raise ValueError(f"`frontend_checkpoint` must hold a learned front end, found one that is not, in {path}.")
    frontend.load_state_dict(state)
    return found


def load_classifier(classifier: nn.Module, path: Path) -> Checkpoint:
    """Fill a classifier from a checkpoint of a whole `DefendedClassifier`, or a file of its own; returns which it is.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file holds another classifier, or none.
    """
    found = find_checkpoint(path, "classifier_checkpoint")
    path = found.path
    state = read_checkpoint(path, "classifier_checkpoint")
    state = unwrapped(state, classifier.state_dict(), ("classifier", ""))
    explain_mismatch(classifier, state, f"`classifier_checkpoint` {path}", f"this {type(classifier).__name__}'s")
    classifier.load_state_dict(state)
    return found
