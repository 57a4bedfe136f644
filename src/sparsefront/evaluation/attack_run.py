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
from sparsefront.evaluation.quality import QUALITIES, quality
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
        self._sees_images = model.frontend.returns_images
        self.errors: dict[str, str] = {}
        self.costs = {named.name: Cost() for named in attacks}
        self._form = search_form(model, search_precision)
        self._training_images = training_images
        self._ready: dict[str, tuple[NamedAttack, Model]] = {}

    @property
    def columns(self) -> list[str]:
        """Of every row, in order."""
        qualities = QUALITIES if self._sees_images else ()
        clean = ["index", "label", "clean_pred", *(f"clean_{name}" for name in qualities)]
        keys = ("pred", "success", *NORMS, *qualities)
        return clean + [f"{named.name}/{key}" for named in self.attacks for key in keys]

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
        logits, qualities = self._judge(images, images)
        clean = _classes(logits)
        columns = {"index": indices, "label": labels, "clean_pred": clean}
        columns |= {f"clean_{name}": values for name, values in qualities.items()}
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
                    chosen = Batch(images[tried], goal[tried], indices[tried])
                    adversarial[tried] = self._strongest(named, chosen)
            except Exception as error:
                self.errors[named.name] = f"{type(error).__name__}: {error}"
                warnings.warn(f"Attack {named.name!r} failed and is left out: {error}", stacklevel=2)
                continue
            judged, qualities = self._judge(adversarial, images)
            prediction = torch.where(tried, _classes(judged), last if self.cascade else clean)
            self.costs[named.name].seconds += time.perf_counter() - start
            self.costs[named.name].attacked += int(tried.sum())
            fell = (prediction == goal) if named.attack.targeted else (prediction != labels)
            columns[f"{named.name}/pred"] = prediction
            columns[f"{named.name}/success"] = tried & fell
            sizes = {key: size(adversarial - images, norm) for key, norm in NORMS.items()}
            for key, values in (sizes | qualities).items():
                columns[f"{named.name}/{key}"] = values.masked_fill(~tried, torch.nan)
            found(named.name, batch, adversarial, prediction)
            last = prediction
        return Samples({name: column.cpu() for name, column in columns.items()})

    def ready(self, named: NamedAttack) -> tuple[NamedAttack, Model]:
        """An attack and the logits that it searches, both with the training images that they need seen, once."""
        if named.name not in self._ready:
            view, attack = named.view, named.attack
            if view.n_fitting_images:
                view = view.fitted(self._form, self._training_images(view.n_fitting_images)[0], self._meter(named))
            searched = view(self._form, self._meter(named))
            if attack.n_fitting_images:
                attack = attack.fitted(searched, *self._training_images(attack.n_fitting_images))
            self._ready[named.name] = replace(named, attack=attack, view=view), searched
        return self._ready[named.name]

    def _strongest(self, named: NamedAttack, batch: Batch) -> Tensor:
        """Adversarial images (B, C, H, W) for (images, goals, indices)."""
        named, searched = self.ready(named)
        images, goal, indices = batch
        adversarial = self._clipped(named, searched, batch)
        if not named.view.is_deployed:
            return adversarial
        with torch.no_grad():
            thought, judged = _classes(searched(adversarial)), _classes(self.model(adversarial))
        again = ((thought == goal) == named.attack.targeted) & ((judged == goal) != named.attack.targeted)
        if again.any():
            some = Batch(images[again], goal[again], indices[again])
            exact = named.view(self.model, self._meter(named))
            adversarial[again] = self._clipped(named, exact, some)
        return adversarial

    def _meter(self, named: NamedAttack) -> Callable[[Model], Model]:
        return lambda model: metered(model, self.costs[named.name])

    def _clipped(self, named: NamedAttack, model: Model, batch: Batch) -> Tensor:
        found = named.attack(model, *batch)
        if found.shape != batch.image.shape or not found.isfinite().all():
            raise ValueError(
                f"an attack must return finite images of shape {tuple(batch.image.shape)}, found {tuple(found.shape)}"
            )
        return found.clamp(0, 1)

    @torch.no_grad()
    def _judge(self, images: Tensor, clean: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The deployed model's logits, and how near what its classifier sees comes to the clean images."""
        seen = self.model.frontend(images)
        return self.model.read(seen), quality(seen, clean) if self._sees_images else {}


def _classes(logits: Tensor) -> Tensor:
    """The predicted classes (B,); -1, which is nobody's label, where a logit is not a number."""
    return logits.argmax(dim=1).masked_fill(logits.isnan().any(dim=1), -1)
