"""The callback that looks at the last hidden layer under variants of the images."""

from collections.abc import Mapping, Sequence

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from sparsefront.analysis.class_moments import class_moments
from sparsefront.analysis.distance import Deviation, Difference, representation_distance
from sparsefront.analysis.hidden import check_linear, last_hidden
from sparsefront.analysis.indicator import indicator, strongest
from sparsefront.analysis.representation_loggers import show_representations
from sparsefront.analysis.representation_rows import Rows, by_turns, joined, row_of
from sparsefront.analysis.representation_settings import check_representation_settings
from sparsefront.analysis.variants import Variants
from sparsefront.attacks import NamedAttack
from sparsefront.common.frozen_model import frozen_model
from sparsefront.common.logits import predicted_classes
from sparsefront.common.processes import Processes
from sparsefront.data.base import ImageData
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.evaluation_callback import EvaluationCallback, check_views
from sparsefront.evaluation.pictures import Pictures
from sparsefront.evaluation.trainer_facts import name_of_data, number_to_follow, training_images
from sparsefront.evaluation.weights_used import weights_used
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.plain import plain
from sparsefront.results.provenance import provenance
from sparsefront.results.representation_check import ORIGINAL
from sparsefront.results.representation_record import RepresentationRecord


class Representations(EvaluationCallback):
    """Runs every evaluation sample, right or wrong, through the model as it is and as variants, and compares.

    Paper 003, sections 4.1 to 4.3: accuracy on the variants (Figure 5), how far they move the last hidden layer
    (Table 1, `representation_distance`), and what single neurons of it do (Figures 3, 4, 6 and 8), with what the front
    end makes of a few images (Figure 7). Works in `validate` and `test`, not during `fit`. Logged under `val/` or
    `test/`: `variant_acc/<name>` and `representation_distance/<name>`. Written to the log folder, for
    `sparsefront-report`: `results/<stage>_representations.json` and `.npz`, with all representations, 4 bytes a neuron,
    sample and variant. Counts are exact on any number of processes.

    Args:
        variants: attacks and controls that make the variants; the original is always there. Without any nothing is run.
        max_samples: only the first so many samples of the loader; null for all.
        positive: the class that neurons are looked at for.
        neuron: the one whose activations are shown; null: the strongest linear indicator of `positive`.
        n_training: training images a class, at most, over which selectivity is measured; 0 leaves it out.
        n_images: pictures kept, of the positive class and of others by turns.
        difference: of the distance, `absolute` or `rms`.
        deviation: of the distance, `over_images` or `over_neurons`.

    Raises:
        ValueError: names that clash, a setting out of range, a variant or a classifier that does not suit; before any
            variant is made.
    """

    def __init__(
        self,
        variants: Sequence[NamedAttack] = (),
        max_samples: int | None = None,
        positive: int = 1,
        neuron: int | None = None,
        n_training: int = 200,
        n_images: int = 4,
        difference: Difference = "absolute",
        deviation: Deviation = "over_images",
    ) -> None:
        check_representation_settings(
            [named.name for named in variants],
            counts={"max_samples": max_samples, "positive": positive, "neuron": neuron, "n_training": n_training}
            | {"n_images": n_images},
            difference=difference,
            deviation=deviation,
        )
        self.variants, self.max_samples = list(variants), max_samples
        self.positive, self.neuron = positive, neuron
        self.n_training, self.n_images = n_training, n_images
        self.difference, self.deviation = difference, deviation

    _progress: AttackProgress | None = None

    @property
    def names(self) -> list[str]:
        """Names of the original and of the variants."""
        return [ORIGINAL, *(named.name for named in self.variants)]

    def check(self, model: DefendedClassifier) -> None:
        """Raise a ValueError if a variant or a setting does not suit the model."""
        if not self.variants:
            return
        check_linear(model)
        if self.positive >= model.num_classes:
            raise ValueError(
                f"`positive` must be one of the {model.num_classes} classes, numbered from 0, found {self.positive}."
            )
        check_views("Variant", self.variants, model)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse variants and settings that do not suit the model, before anything is run."""
        if stage in ("validate", "test") and isinstance(pl_module, DefendedClassifier):
            self.check(pl_module)

    def due(self, trainer: pl.Trainer) -> bool:
        """Whether there are variants, and this is no validation within a fit."""
        return bool(self.variants) and trainer.state.fn != TrainerFn.FITTING

    def begin(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Start an analysis without rows."""
        self._parts: list[Rows] = []
        self._weight: Tensor | None = None
        self._pictures = Pictures(self.n_images)
        shown = trainer.is_global_zero and trainer.progress_bar_callback is not None
        progress = AttackProgress(self.variants, number_to_follow(self.max_samples, trainer), shown, doing="variants")
        self._progress = progress
        with frozen_model(model):
            self._check_neuron(model)
            self._variants = Variants(
                model,
                self.variants,
                lambda number: training_images(trainer, number, model.device),
                progress,
            )

    def _check_neuron(self, model: DefendedClassifier) -> None:
        if self.neuron is None:
            return
        black = torch.zeros(1, *model.frontend.image_shape, device=model.device, dtype=model.reads)
        neurons = last_hidden(model, black).weight.shape[1]
        if self.neuron >= neurons:
            raise ValueError(
                f"`neuron` must be one of the {neurons} of the last hidden layer, numbered from 0, found "
                f"{self.neuron}; write null for the strongest indicator."
            )

    def follow(self, trainer: pl.Trainer, model: DefendedClassifier, batch: Batch, stage: str) -> None:
        """Make the variants of one batch and run them."""
        with frozen_model(model):
            self._look(model, batch)

    def _look(self, model: DefendedClassifier, batch: Batch) -> None:
        clean = last_hidden(model, batch.image)
        rows = {"index": batch.index, "label": batch.label} | row_of(ORIGINAL, clean)
        chosen = by_turns(batch.label, self.positive, self.n_images)
        self._pictures.begin(model, Batch(*(field[chosen] for field in batch)))
        for name, images in self._variants(batch, clean.logits):
            hidden = last_hidden(model, images)
            rows |= row_of(name, hidden)
            self._pictures.add(name, model, images[chosen], predicted_classes(hidden.logits)[chosen])
        self._pictures.end(predicted_classes(clean.logits)[chosen])
        self._parts.append({name: column.cpu() for name, column in rows.items()})
        self._weight = indicator(clean.weight, self.positive).cpu()

    def finish(self, trainer: pl.Trainer, model: DefendedClassifier, stage: str) -> None:
        """Put the processes' samples together, log, write."""
        from_processes = Processes().gathered((self._parts, self._weight))
        parts = [part for rows_of_process, _ in from_processes for part in rows_of_process]
        if not parts:
            self._close_progress()
            return
        rows = joined(parts)
        weight = next(one for _, one in from_processes if one is not None)
        rows |= {"weight": weight} | self._selectivity(trainer, model)
        distances = self._distances(rows)
        metrics = {
            f"{stage}/variant_acc/{name}": (rows[f"pred/{name}"] == rows["label"]).double().mean().item()
            for name in self.names
        }
        metrics |= {f"{stage}/representation_distance/{name}": value for name, value in distances.items()}
        model.log_dict(metrics, sync_dist=True, batch_size=1)
        count = len(rows["label"])
        self._close_progress(
            *(
                plain(f"{stage}: {name}: {100 * metrics[f'{stage}/variant_acc/{name}']:.1f} % of {count} right")
                for name in self.names
            )
        )
        if trainer.is_global_zero:
            self._keep(trainer, model, stage, rows, distances)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the progress bar."""
        self._close_progress()

    def _close_progress(self, *lines: str) -> None:
        """Close the progress bar; where there is no terminal, print these lines."""
        if self._progress is not None:
            self._progress.close(*lines)

    def _distances(self, rows: Mapping[str, Tensor]) -> dict[str, float]:
        original = rows[f"hidden/{ORIGINAL}"]
        return {
            named.name: representation_distance(original, rows[f"hidden/{named.name}"], self.difference, self.deviation)
            for named in self.variants
        }

    def _selectivity(self, trainer: pl.Trainer, model: DefendedClassifier) -> Rows:
        """How selective neurons are for classes; empty without a data module, whose training images it needs."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, ImageData) or not self.n_training:
            return {}
        with frozen_model(model):
            moments = class_moments(model, data, self.n_training)
        return {f"training/{name}": values.float() for name, values in moments._asdict().items()}

    def _keep(
        self, trainer: pl.Trainer, model: DefendedClassifier, stage: str, rows: Rows, distances: dict[str, float]
    ) -> None:
        data = getattr(trainer, "datamodule", None)
        named = data.class_names if isinstance(data, ImageData) else map(str, range(model.num_classes))
        backward = model.frontend.default_backward
        text = provenance() | {"variants": [AttackRecord.of(named, backward).written() for named in self.variants]}
        text |= {"stage": stage, "system": model.system, "weights": weights_used(trainer, model, self.results.parent)}
        text |= {"data": name_of_data(trainer), "class_names": list(named), "n_samples": len(rows["label"])}
        text |= {name: getattr(self, name) for name in ("positive", "difference", "deviation", "n_training")}
        text["neuron"] = strongest(rows["weight"]) if self.neuron is None else self.neuron
        text["distance"] = distances
        pictures = {f"picture/{name}": array for name, array in self._pictures.arrays(model).items() if name != "atoms"}
        arrays = {name: values.numpy() for name, values in rows.items()} | pictures
        record = RepresentationRecord(text, arrays)
        record.write(self.results, stage)
        show_representations(trainer.loggers, record, model.system, stage, trainer.global_step)
