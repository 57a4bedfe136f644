"""A read-out that is solved on one epoch's codes."""

from typing import cast

import pytorch_lightning as pl
import torch
from torch import Tensor

from sparsefront.classifiers import ReadOut
from sparsefront.common.logits import mean_over_copies
from sparsefront.common.processes import Processes
from sparsefront.data.batch import Batch
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.training.objectives.collected_codes import CodesOfImages, CollectedCodes
from sparsefront.training.objectives.objective import Objective
from sparsefront.training.objectives.trained_model import TrainedModel
from sparsefront.training.objectives.training_step import TrainingStep


class SolvedReadOut(Objective):
    """Let a `ReadOut` learn from the codes of all training images at once; no gradient, no optimizer.

    One epoch is enough: the solver sees every image's codes, and more epochs would bring the same ones again. So the
    training ends after it, whatever `max_epochs` says. The read-out is solved after the epoch's last batch, on the
    first of several processes, and each image counts once. Lightning counts the solution as one step.
    """

    trains_by_gradient = False
    takes_projections = True

    def __init__(self) -> None:
        self._collected = CollectedCodes()

    def check(self, model: TrainedModel) -> None:
        """Refuse a classifier that nothing solves, and a front end that needs gradients.

        Raises:
            ValueError: one of them.
        """
        name, before = type(model.classifier).__name__, type(model.frontend).__name__
        if not isinstance(model.classifier, ReadOut):
            raise ValueError(
                f"`objective` SolvedReadOut needs a classifier that is solved, found {name}; take LinearSVM or "
                "NeuronThreshold, or write `objective: null`."
            )
        trained = [name for name, parameter in model.frontend.named_parameters() if parameter.requires_grad]
        if trained:
            raise ValueError(
                f"`classifier` {name} is solved and sends no gradient, found {before} before it, which leaves "
                f"{len(trained)} tensors to train, {trained[0]} first; take Logistic or MLP."
            )

    def check_fit(self, model: TrainedModel, trainer: pl.Trainer) -> None:
        """Refuse what asks for gradients, or for logits before there are any.

        Raises:
            ValueError: a precision that scales gradients, of which there are none here, or a validation in mid-epoch.
        """
        name = type(model.classifier).__name__
        if trainer.scaler is not None:
            raise ValueError(
                f"`trainer.precision` must not scale gradients where {name} is solved without any, found "
                f"{trainer.precision}; write 32 or bf16-mixed."
            )
        if trainer.val_check_interval not in (None, 1.0):
            raise ValueError(
                f"`trainer.val_check_interval` must be left out where {name} is solved when the epoch's "
                f"last batch has come, found {trainer.val_check_interval}."
            )

    def check_untrained(self, model: TrainedModel) -> None:
        """Refuse a read-out that has not been solved.

        Raises:
            ValueError: one.
        """
        if not _read_out(model).learned:
            raise ValueError(
                f"`ckpt_path` must name a checkpoint: {type(model.classifier).__name__} is solved by `sparsefront fit`."
            )

    def begin(self, model: TrainedModel) -> None:
        """Have one epoch, whose validation alone asks the read-out for logits; it looks at its labels itself."""
        self._collected.clear()
        trainer, read_out = model.trainer, _read_out(model)
        if trainer.max_epochs != 1 and trainer.is_global_zero and not read_out.learned:
            name = type(read_out).__name__
            print(f"{name} is solved on the codes of one epoch: the training ends after it.", flush=True)
        trainer.fit_loop.max_epochs = 1
        trainer.num_sanity_val_steps = 0

    def optimizers(self, model: TrainedModel) -> list[torch.optim.Optimizer]:
        """Return no optimizer: the read-out is solved."""
        return []

    def training_step(self, model: TrainedModel, batch: Batch | NamedBatch, step: int) -> TrainingStep | None:
        """Keep a batch's codes, and solve the read-out when the epoch has brought all of them.

        Raises:
            ValueError: the read-out refuses the codes; on every process.
        """
        read_out = _read_out(model)
        model.frontend.eval()  # as deployed
        with torch.no_grad():
            seen = batch.image if isinstance(batch, ProjectedBatch) else model.frontend(batch.image)
            codes = read_out.pool(seen).unflatten(0, (-1, model.frontend.n_copies))
        self._collected.add(codes, batch.label, batch.index)
        if not model.trainer.is_last_batch:
            return None
        local = self._collected.of_this_process()
        self._collected.clear()
        _solve(read_out, local, model.trainer)
        _count_step(model.trainer)
        with torch.no_grad():
            logits = mean_over_copies(read_out.linear(local.codes.to(read_out.linear.weight)))
            labels = local.labels.to(logits.device)
            return TrainingStep(model.loss(logits, labels), logits, labels)


def _read_out(model: TrainedModel) -> ReadOut:
    return cast(ReadOut, model.classifier)  # as `check` has seen


def _solve(read_out: ReadOut, local: CodesOfImages, trainer: pl.Trainer) -> None:
    """Let the read-out of every process be the one that the first has learned from the codes of all."""
    everything = CollectedCodes.of_all_processes(local)

    def learned() -> dict[str, Tensor]:
        n_copies = everything.codes.shape[1]
        read_out.learn(everything.codes.flatten(0, 1), everything.labels.repeat_interleave(n_copies))
        return {name: tensor.cpu() for name, tensor in read_out.state_dict().items()}

    read_out.load_state_dict(Processes(trainer.strategy).on_first(learned))


def _count_step(trainer: pl.Trainer) -> None:
    """Say that a step was made: Lightning keeps no checkpoint of a model that made none."""
    progress = trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
    progress.increment_ready()
    progress.increment_completed()
