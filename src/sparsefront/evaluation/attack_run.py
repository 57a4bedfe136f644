"""Attacks on one model, batch by batch."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sparsefront.attacks import NamedAttack, perturbation_norm
from sparsefront.common.logits import predicted_classes
from sparsefront.data.batch import Batch
from sparsefront.evaluation.agreement import MOST
from sparsefront.evaluation.as_array import as_array
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.meter import metered
from sparsefront.evaluation.prepared_attacks import PreparedAttacks
from sparsefront.evaluation.quality import quality
from sparsefront.evaluation.search_form import SearchPrecision
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.cost import Cost
from sparsefront.results.samples import NORMS, QUALITIES, Samples

Model = Callable[[Tensor], Tensor]
OnAttacked = Callable[[str, Batch, Tensor, Tensor], None]


class AttackRun:
    """Runs named attacks on a model and says what happened to each sample.

    An adversary searches in the model's `search_form`; what it returns is clipped to [0, 1] and judged by a fresh
    forward of the model itself. Where only the form is fooled (rounding, or bfloat16), the attack runs once more on the
    model itself, so that no sample is saved by the form it was searched in. Before a front end that draws random
    numbers neither holds: attacks walk on where one draw was fooled, and a verdict that differs is another draw's.

    Args:
        model: the deployed model, in evaluation mode and frozen.
        attacks: what to run, in this order.
        cascade: hand each attack only the samples that those before it left standing.
        search_precision: see `search_form`.
        training_images: called with a number, gives so many images and labels for attacks that must be fitted.
        progress: told of every attack and query.

    Attributes:
        attacks: as they are run.
        errors: what stopped an attack, by its name; it is not run again.
        costs: by name.
        prepared: the attacks with the form of the model that they search in.
    """

    def __init__(
        self,
        model: DefendedClassifier,
        attacks: Sequence[NamedAttack],
        *,
        cascade: bool = False,
        search_precision: SearchPrecision = "32",
        training_images: Callable[[int], tuple[Tensor, Tensor]],
        progress: AttackProgress | None = None,
    ) -> None:
        self.progress = progress or AttackProgress(attacks, None, shown=False)
        self.model, self.cascade, self.attacks = model, cascade, list(attacks)
        if model.frontend.randomised:
            self.attacks = [replace(named, attack=named.attack.without_early_stop()) for named in attacks]
        self._sees_images = model.frontend.returns_images
        self.errors: dict[str, str] = {}
        self.costs = {named.name: Cost() for named in attacks}
        self.prepared = PreparedAttacks(model, search_precision, training_images, self._meter)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of every row, in their order."""
        qualities = QUALITIES if self._sees_images else ()
        clean = ["index", "label", "clean_pred", *(f"clean_{name}" for name in qualities)]
        keys = ("pred", "success", *NORMS, *qualities)
        return [*clean, *(f"{named.name}/{key}" for named in self.attacks for key in keys), "fell"]

    def attack(self, batch: Batch, on_attacked: OnAttacked = lambda *_: None) -> Samples:
        """Attack the samples of a batch that are right; none any more once the model has returned NaN.

        Args:
            batch: on the model's device.
            on_attacked: called with an attack's name, the batch, its adversarial images (B, C, H, W) and the model's
                predictions of them, as soon as they are there; images that were not attacked are as they were or, under
                `cascade`, as they fell.

        Returns:
            One row a sample; under `cascade`, a sample that has fallen keeps the prediction that it fell with, and its
            sizes are empty in later attacks' columns. Attacks that do not enter the worst case take no sample from
            those after them.
        """
        images, labels, indices = batch
        if self.attacks:
            self.prepared.form(images)
        logits, qualities = self._judge(images, images)
        clean = predicted_classes(logits)
        correct, fallen = clean == labels, torch.zeros_like(labels, dtype=torch.bool)
        columns = {"index": indices, "label": labels, "clean_pred": clean}
        columns |= {f"clean_{name}": values for name, values in qualities.items()}
        if error := nan_error(clean):
            self.errors = {named.name: error for named in self.attacks}
        images_kept, predictions_kept = images, clean  # of samples that an attack is not run on
        for named in self.attacks:
            tried = correct & ~fallen if self.cascade else correct
            goal = named.targets(logits, labels, indices) if named.attack.targeted else labels
            self.progress.begin(named.name, len(labels), self.costs[named.name])
            adversarial = self._tried(named, Batch(images, goal, indices), tried, images_kept)
            self.progress.end()
            if adversarial is None:
                continue
            start = time.perf_counter()
            judged, qualities = self._judge(adversarial, images)
            prediction = torch.where(tried, predicted_classes(judged), predictions_kept)
            self.costs[named.name].seconds += time.perf_counter() - start
            reached = (prediction == goal) if named.attack.targeted else (prediction != labels)
            columns |= {f"{named.name}/pred": prediction, f"{named.name}/success": tried & reached}
            sizes = {key: perturbation_norm(adversarial - images, norm) for key, norm in NORMS.items()}
            columns |= {
                f"{named.name}/{key}": values.masked_fill(~tried, torch.nan)
                for key, values in (sizes | qualities).items()
            }
            on_attacked(named.name, batch, adversarial, prediction)
            if named.in_worst_case:
                fallen = fallen | (tried & (prediction != labels))
                if self.cascade:
                    images_kept, predictions_kept = adversarial, prediction
        columns["fell"] = fallen
        return Samples({name: as_array(column) for name, column in columns.items()})

    def _tried(self, named: NamedAttack, batch: Batch, tried: Tensor, kept: Tensor) -> Tensor | None:
        """Adversarial images (B, C, H, W) of the samples tried (B,), the kept ones of the others; None if it failed."""
        if named.name in self.errors:
            return None
        start = time.perf_counter()
        adversarial = kept.clone()
        try:
            if tried.any():
                adversarial[tried] = self._strongest(named, Batch(*(tensor[tried] for tensor in batch)))
        except Exception as error:
            self.errors[named.name] = f"{type(error).__name__}: {error}"
            warnings.warn(f"Attack {named.name!r} failed and is left out: {error}", stacklevel=3)
            return None
        self.costs[named.name].seconds += time.perf_counter() - start
        self.costs[named.name].attacked += int(tried.sum())
        return adversarial

    def _strongest(self, named: NamedAttack, batch: Batch) -> Tensor:
        """Adversarial images (B, C, H, W) for (images, goals, indices)."""
        named, searched = self.prepared.ready(named)
        images, goal, indices = batch
        adversarial = self._clipped(named, searched, batch)
        if self.prepared.misled(named, torch.cat([images[:MOST], adversarial[:MOST]])):
            named, searched = self.prepared.ready(named)
            adversarial = self._clipped(named, searched, batch)
        if not named.view.is_deployed or self.model.frontend.randomised:
            return adversarial
        with torch.no_grad():
            thought, judged = predicted_classes(searched(adversarial)), predicted_classes(self.model(adversarial))
        again = ((thought == goal) == named.attack.targeted) & ((judged == goal) != named.attack.targeted)
        if again.any():
            some = Batch(images[again], goal[again], indices[again])
            exact = named.view(self.model, self._meter(named))
            adversarial[again] = self._clipped(named, exact, some)
        return adversarial

    def _meter(self, named: NamedAttack) -> Callable[[Model], Model]:
        return lambda model: metered(model, self.costs[named.name], self.progress.tick)

    def _clipped(self, named: NamedAttack, model: Model, batch: Batch) -> Tensor:
        adversarial = named.attack(model, *batch)
        if adversarial.shape != batch.image.shape or not adversarial.isfinite().all():
            raise ValueError(
                f"an attack must return finite images of shape {tuple(batch.image.shape)}, found "
                f"{tuple(adversarial.shape)}"
            )
        return adversarial.clamp(0, 1)

    @torch.no_grad()
    def _judge(self, images: Tensor, clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The deployed model's logits, and how near what its classifier sees comes to the clean images."""
        through = self.model.frontend(images.clone())
        return self.model.logits_from(through), quality(through, clean) if self._sees_images else {}


def nan_error(predictions: Tensor | np.ndarray) -> str | None:
    """Why no attack on a model says anything, from its predictions of clean images (N,)."""
    count = int((predictions == -1).sum())
    return f"the model returned NaN for {count} of {len(predictions)} clean images" if count else None
