"""Attacks on one model, batch by batch."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from attacks import NamedAttack, size
from sparsefront.data.batch import Batch
from sparsefront.defended import DefendedClassifier
from sparsefront.evaluation.meter import Cost, metered
from sparsefront.evaluation.samples import NORMS, Samples
from sparsefront.evaluation.search_form import SearchPrecision, search_form

Model = Callable[[Tensor], Tensor]
Found = Callable[[str, Batch, Tensor, Tensor], None]


class AttackRun:
    """Runs named attacks on a model and says what happened to each sample.

    An adversary searches in the model's `search_form`; what it returns is clipped to [0, 1] and judged by a fresh
    forward of the model itself. Where only the form is fooled (rounding, or bfloat16), the attack runs once more on the
    model itself, so that no sample is saved by the form it was searched in.

    Args:
        model: the deployed model, in evaluation mode and frozen.
        attacks: what to run, in this order.
        cascade: hand each attack only the samples that those before it left standing.
        search_precision: see `search_form`.
        training_images: called with a number, gives so many images and labels for attacks that must be fitted.

    Attributes:
        errors: what stopped an attack, by its name; it is not run again.
        costs: by name.
    """

    def __init__(
        self,
        model: DefendedClassifier,
        attacks: Sequence[NamedAttack],
        *,
        cascade: bool = False,
        search_precision: SearchPrecision = "32",
        training_images: Callable[[int], tuple[Tensor, Tensor]],
    ) -> None:
        self.model, self.cascade, self.attacks = model, cascade, list(attacks)
        self.errors: dict[str, str] = {}
        self.costs = {named.name: Cost() for named in attacks}
        form = search_form(model, search_precision)
        self._forms = {named.name: metered(named.view(form), self.costs[named.name]) for named in attacks}
        self._training_images = training_images
        self._fitted: dict[str, NamedAttack] = {}

    def attack(self, batch: Batch, found: Found = lambda *_: None) -> Samples:
        """Attack the samples of a batch that are right.

        Args:
            batch: on the model's device.
            found: called with an attack's name, the batch, its adversarial images (B, C, H, W) and the model's
                predictions of them, as soon as they are there; images that were not attacked are as they were.

        Returns:
            One row a sample; under `cascade`, a sample that has fallen keeps the prediction that it fell with, and its
            sizes are empty in later attacks' columns.
        """
        images, labels, indices = batch
        with torch.no_grad():
            logits = self.model(images)
        clean = _classes(logits)
        columns = {"index": indices, "label": labels, "clean_pred": clean}
        last = clean
        for named in self.attacks:
            if named.name in self.errors:
                continue
            tried = (last if self.cascade else clean) == labels
            goal = named.targets(logits, labels, indices) if named.attack.targeted else labels
            start = time.perf_counter()
            adversarial = images.clone()
            try:
                if tried.any():
                    self._fit(named)
                    chosen = Batch(images[tried], goal[tried], indices[tried])
                    adversarial[tried] = self._strongest(named, chosen)
            except Exception as error:
                self.errors[named.name] = f"{type(error).__name__}: {error}"
                warnings.warn(f"Attack {named.name!r} failed and is left out: {error}", stacklevel=2)
                continue
            prediction = torch.where(tried, self._predict(adversarial), last if self.cascade else clean)
            self.costs[named.name].seconds += time.perf_counter() - start
            self.costs[named.name].attacked += int(tried.sum())
            fell = (prediction == goal) if named.attack.targeted else (prediction != labels)
            columns[f"{named.name}/pred"] = prediction
            columns[f"{named.name}/success"] = tried & fell
            for key, norm in NORMS.items():
                columns[f"{named.name}/{key}"] = size(adversarial - images, norm).masked_fill(~tried, torch.nan)
            found(named.name, batch, adversarial, prediction)
            last = prediction
        return Samples({name: column.cpu() for name, column in columns.items()})

    def _fit(self, named: NamedAttack) -> None:
        """Let an attack see the training images it needs, once."""
        number = named.attack.n_fitting_images
        if number and named.name not in self._fitted:
            attack = named.attack.fitted(self._forms[named.name], *self._training_images(number))
            self._fitted[named.name] = replace(named, attack=attack)

    def _strongest(self, named: NamedAttack, batch: Batch) -> Tensor:
        """Adversarial images (B, C, H, W) for (images, goals, indices)."""
        named = self._fitted.get(named.name, named)
        images, goal, indices = batch
        adversarial = self._clipped(named, self._forms[named.name], batch)
        if not named.view.is_deployed:
            return adversarial
        with torch.no_grad():
            searched = _classes(self._forms[named.name](adversarial))
        judged = self._predict(adversarial)
        again = ((searched == goal) == named.attack.targeted) & ((judged == goal) != named.attack.targeted)
        if again.any():
            some = Batch(images[again], goal[again], indices[again])
            exact = metered(named.view(self.model), self.costs[named.name])
            adversarial[again] = self._clipped(named, exact, some)
        return adversarial

    def _clipped(self, named: NamedAttack, model: Model, batch: Batch) -> Tensor:
        found = named.attack(model, *batch)
        if found.shape != batch.image.shape or not found.isfinite().all():
            raise ValueError(
                f"an attack must return finite images of shape {tuple(batch.image.shape)}, found {tuple(found.shape)}"
            )
        return found.clamp(0, 1)

    @torch.no_grad()
    def _predict(self, images: Tensor) -> Tensor:
        return _classes(self.model(images))


def _classes(logits: Tensor) -> Tensor:
    """The predicted classes (B,); -1, which is nobody's label, where a logit is not a number."""
    return logits.argmax(dim=1).masked_fill(logits.isnan().any(dim=1), -1)
