"""Attacks that are ready to be run, and the form of the model that they search in."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from sparsefront.attacks import NamedAttack
from sparsefront.evaluation.search_form import SearchPrecision, as_it_is, doubt, search_form
from sparsefront.evaluation.unsteady import CHANGES, unsteady
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.finding import Finding

Model = Callable[[Tensor], Tensor]


class PreparedAttacks:
    """Prepares the form of a model in which adversaries search, and fits attacks and views that need training images.

    Args:
        model: the deployed model, in evaluation mode and frozen.
        search_precision: see `search_form`.
        training_images: called with a number, gives so many images and labels.
        meter: called with an attack, gives what counts the queries that it makes of a model.

    Attributes:
        precision: that adversaries search in.
        findings: what was noticed of the model itself, with the first images.
    """

    def __init__(
        self,
        model: DefendedClassifier,
        search_precision: SearchPrecision,
        training_images: Callable[[int], tuple[Tensor, Tensor]],
        meter: Callable[[NamedAttack], Callable[[Model], Model]],
    ) -> None:
        self.model = model
        self.findings: list[Finding] = []
        self.precision = search_precision
        self._training_images = training_images
        self._meter = meter
        self._form: DefendedClassifier | None = None
        self._ready: dict[str, tuple[NamedAttack, Model]] = {}
        self._compared: set[str] = set()  # attacks whose first images the form was compared on

    def form(self, images: Tensor | None) -> DefendedClassifier:
        """The form in which adversaries search, compared with the model on the first images (B, C, H, W) that come."""
        if self._form is None:
            if images is not None:
                self.findings = list(unsteady(self.model, images))
            changing = [finding.sentence for finding in self.findings if finding.flag == CHANGES]
            form = search_form(self.model, self.precision, images)
            # A copy would not change with the model.
            self._form = as_it_is(self.model, changing[0]) if changing else form
        return self._form

    @property
    def facts(self) -> dict[str, str | None]:
        """Which form of the model adversaries search in, and why it is no faster one, for the record."""
        classifier = getattr(self._form, "classifier", None)
        return {
            "search_form": getattr(classifier, "form", None),
            "search_form_reason": getattr(classifier, "reason", None),
        }

    def ready(self, named: NamedAttack) -> tuple[NamedAttack, Model]:
        """An attack and the logits that it searches, both with the training images that they need seen, once."""
        if named.name not in self._ready:
            attack, form, meter = named.attack, self.form(None), self._meter(named)
            # One that walks down to the boundary would end at that of a warm start's answers, not of the verdict's.
            view = named.view if attack.minimises is None else named.view.cold()
            if view.n_fitting_images:
                view = view.fitted(form, self._training_images(view.n_fitting_images)[0], meter)
            searched = view(form, meter)
            if attack.n_fitting_images:
                attack = attack.fitted(searched, *self._training_images(attack.n_fitting_images))
            self._ready[named.name] = replace(named, attack=attack, view=view), searched
        return self._ready[named.name]

    def misled(self, named: NamedAttack, images: Tensor) -> bool:
        """Whether an attack's first images show that the form is not the model, which then takes its place."""
        form, first = self.form(None), named.name not in self._compared
        self._compared.add(named.name)
        if not first or (reason := doubt(self.model, form, images)) is None:
            return False
        self._form = form = as_it_is(self.model, reason)
        self._ready = {name: (one, one.view(form, self._meter(one))) for name, (one, _) in self._ready.items()}
        return True
