"""A front end and a classifier, trained and tested as one."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics.classification import MulticlassAccuracy

from sparsefront.common.checkpoints.checkpoint import Checkpoint, content_of
from sparsefront.common.checkpoints.checkpoint_file import read_whole_checkpoint
from sparsefront.common.checkpoints.mismatch import explain_mismatch
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.logits import predicted_classes
from sparsefront.common.settings import checked_settings
from sparsefront.data.batch import Batch
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.frontends import Identity
from sparsefront.model.checks import check_labels, check_learned
from sparsefront.model.class_weights import class_weights_of, weighted_cross_entropy
from sparsefront.model.deployed import Builder, ClassifierBuilder, DeployedClassifier
from sparsefront.model.hyperparameters import kept_hyperparameters
from sparsefront.model.part_weights import load_classifier, load_front_end
from sparsefront.model.place import place
from sparsefront.model.rebuilding import described_settings
from sparsefront.model.single_image import explained
from sparsefront.runs.same_settings import other_part
from sparsefront.training.objectives import Objective, default_objective


@checked_settings
class DefendedClassifier(DeployedClassifier):
    """`classifier(frontend(images))`: (B, C, H, W) images in [0, 1] -> logits (B, `num_classes`), trained and tested.

    Where the front end makes several copies of an image, their probabilities are averaged.

    Training minimises what `objective` says over the classifier's parameters and those of the front end that its
    dictionary leaves to train (a decoder, say). The dictionary itself is learned before (`learn_front_end`).

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
            is the mean over the images of weight times cross entropy. A `ReadOut` has its own way.
        objective: what it is trained for, named in YAML by its class; null: what the classifier declares, which is
            `SolvedReadOut` of a `ReadOut` and `CrossEntropy` of all others.

    Attributes:
        taken_from: the checkpoints that its parts, or the whole `model`, were taken from, by part.
        reached: epoch and step of the checkpoint that was loaded, None if none was.
        differs: settings that are others than those its weights were trained with, in words.

    Raises:
        ValueError: fewer than 2 classes, a checkpoint of another front end, `class_weights` that are not one positive
            number a class, a classifier of codes behind a front end that returns images, an objective that cannot
            train these parts, or a setting that the parts refuse.
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
        objective: Objective | None = None,
    ) -> None:
        super().__init__(classifier, frontend, image_shape, num_classes)
        self.save_hyperparameters()
        kept = kept_hyperparameters(self.hparams)
        self.hparams.clear()
        self.hparams.update(kept)
        self.build_optimizer, self.build_scheduler = optimizer, scheduler
        # A setting, not a weight: checkpoints come without it.
        self.register_buffer("class_weights", class_weights_of(class_weights, num_classes), persistent=False)
        self.objective = default_objective(self.classifier) if objective is None else objective
        self.objective.check(self)
        self.automatic_optimization = self.objective.trains_by_gradient
        # Labels are checked here, and -1 is a prediction: of NaN.
        self.train_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.val_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.test_acc = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.taken_from: dict[str, Checkpoint] = {}
        if frontend_checkpoint is not None:
            self.taken_from["frontend"] = load_front_end(self.frontend, frontend_checkpoint)
        if classifier_checkpoint is not None:
            checkpoint = load_classifier(self.classifier, classifier_checkpoint)
            self.taken_from["classifier"] = checkpoint
            differing = other_part(content_of(checkpoint.path) or {}, "classifier", self.hparams)
            self.differs = tuple(map(str, differing))

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
        checkpoint = find_checkpoint(checkpoint_path, "checkpoint_path")
        content = read_whole_checkpoint(checkpoint.path, "checkpoint_path")
        model = cls(**described_settings(cls, content.get("hyper_parameters", {}), settings))
        model.on_load_checkpoint(content)
        model.load_state_dict(content["state_dict"])
        model.taken_from = {"model": checkpoint}
        return model if map_location is None else model.to(map_location)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy with `class_weights`, the mean over the images."""
        return weighted_cross_entropy(logits, labels, self.class_weights)

    def _check(self, batch: Batch | NamedBatch, batch_idx: int) -> None:
        if batch_idx == 0 and not isinstance(batch, ProjectedBatch):
            self.frontend.check_images(batch.image)
        check_labels(batch.label, self.num_classes)

    def training_step(self, batch: Batch | NamedBatch, batch_idx: int) -> Tensor | None:
        """The objective's loss of a batch, logged with the training accuracy; None where no gradient trains."""
        self._check(batch, batch_idx)
        with explained(len(batch.label)):
            step = self.objective.training_step(self, batch, self.global_step)
        if step is None:
            return None
        self.train_acc(predicted_classes(step.logits), step.labels)
        self.log("train/loss", step.loss, prog_bar=True)
        self.log("train/acc", self.train_acc, on_step=False, on_epoch=True, prog_bar=True)
        self.log_dict({f"train/{name}": value for name, value in step.logged.items()})
        return step.loss if self.automatic_optimization else None

    def _evaluate(self, batch: Batch, batch_idx: int, stage: str, accuracy: MulticlassAccuracy) -> Tensor:
        self._check(batch, batch_idx)
        logits = self(batch.image)
        predictions = predicted_classes(logits)
        accuracy(predictions, batch.label)
        self.log(f"{stage}/loss", self.loss(logits, batch.label), batch_size=len(batch.label), sync_dist=True)
        names = ("acc", "clean_acc") if self.logs_clean_acc else ("acc",)
        for name in names:
            self.log(f"{stage}/{name}", accuracy, on_epoch=True, prog_bar=name == "acc")
            count = float(len(batch.label))
            self.log(f"{stage}/{name}/n", count, on_epoch=True, reduce_fx="sum", sync_dist=True, batch_size=1)
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
        projected = self.frontend(batch.image)
        probability = self.logits_from(projected).softmax(dim=1)
        columns = {"index": batch.index, "label": batch.label, "prediction": predicted_classes(probability)}
        if not self.frontend.returns_images:
            columns["codes"] = projected.flatten(2).mean(dim=2).unflatten(0, (-1, self.frontend.n_copies)).mean(dim=1)
        return {**columns, "probability": probability}

    def configure_optimizers(self) -> Any:
        """Build the optimizers that the objective wants."""
        return self.objective.optimizers(self)

    def on_fit_start(self) -> None:
        """Refuse to train behind a front end that has not learned; a checkpoint is loaded by now."""
        check_learned(self.frontend)
        self.objective.check_fit(self, self.trainer)
        self.objective.begin(self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Name the difference when the checkpoint's front end or classifier has other tensors than this model."""
        explain_mismatch(self, checkpoint["state_dict"], "The checkpoint", "the model's")
        self.reached = checkpoint.get("epoch", 0), checkpoint.get("global_step", 0)
        # private in Lightning 2.6: the public `trainer` raises where there is none, as in `load_from_checkpoint`
        if self._trainer is not None and self._trainer.state.fn != TrainerFn.FITTING:
            place(self._trainer, *self.reached)
