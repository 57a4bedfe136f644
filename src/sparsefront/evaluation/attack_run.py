"""Attacks on one model, batch by batch."""

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sparsefront.attacks import Chain, NamedAttack, WhiteBox, perturbation_norm
from sparsefront.attacks.signs import SeenSigns
from sparsefront.common.logits import predicted_classes
from sparsefront.data.batch import Batch
from sparsefront.evaluation.agreement import MOST
from sparsefront.evaluation.as_array import as_array
from sparsefront.evaluation.attack_progress import AttackProgress
from sparsefront.evaluation.idle_transfers import fooled_source, has_source
from sparsefront.evaluation.meter import metered
from sparsefront.evaluation.prepared_attacks import PreparedAttacks
from sparsefront.evaluation.search_form import SearchPrecision
from sparsefront.evaluation.verdict import Verdict, verdict
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.cost import Cost
from sparsefront.results.samples import DRAWS, NORMS, QUALITIES, SIGN, SOURCE, Samples

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
        cascade: put all attacks in one chain: each meets only the samples that those before it left standing.
        search_precision: see `search_form`.
        draws: forwards that a verdict on a model whose answers change from call to call is over, see `verdict`.
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
        draws: int = 1,
        training_images: Callable[[int], tuple[Tensor, Tensor]],
        progress: AttackProgress | None = None,
    ) -> None:
        self.progress = progress or AttackProgress(attacks, None, shown=False)
        self.model = model
        self.attacks = [replace(named, chain="cascade") for named in attacks] if cascade else list(attacks)
        if model.frontend.randomised:
            self.attacks = [replace(named, attack=named.attack.without_early_stop()) for named in self.attacks]
        self._draws = draws
        self._sees_images = model.frontend.returns_images
        self._signs = list(dict.fromkeys(sign for named in self.attacks for sign in named.where))
        self.errors: dict[str, str] = {}
        self.costs = {named.name: Cost() for named in attacks}
        self.prepared = PreparedAttacks(model, search_precision, training_images, self._meter)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of every row, in their order."""
        says_draws = self._draws > 1 and self.model.frontend.randomised
        measured = [*(QUALITIES if self._sees_images else ()), *([DRAWS] if says_draws else ())]
        clean = ["index", "label", "clean_pred", *(f"clean_{name}" for name in measured)]
        keys = {one.name: ("pred", "success", *NORMS, *measured, *[SOURCE] * has_source(one)) for one in self.attacks}
        signs = [f"{SIGN}{sign}" for sign in self._signs]
        return [*clean, *(f"{name}/{key}" for name, own in keys.items() for key in own), *signs, "fell"]

    def attack(self, batch: Batch, on_attacked: OnAttacked = lambda *_: None) -> Samples:
        """Attack the samples of a batch that are right; none any more once the model has returned NaN.

        Args:
            batch: on the model's device.
            on_attacked: called with an attack's name, the batch, its adversarial images (B, C, H, W) and the model's
                predictions of them, as soon as they are there; images that were not attacked are as they were or, in
                a chain, as they fell.

        Returns:
            One row a sample; in a chain, a sample that has fallen keeps the prediction that it fell with, and its
            sizes are empty in later attacks' columns. Attacks that do not enter the worst case take no sample from
            those after them.
        """
        images, labels, indices = batch
        if self.attacks:
            self.prepared.form(images)
        first = judged = self._judge(images, batch)
        logits, clean = judged.logits, judged.predictions
        correct, fallen = clean == labels, torch.zeros_like(labels, dtype=torch.bool)
        columns = {"index": indices, "label": labels, "clean_pred": clean}
        columns |= {f"clean_{name}": values for name, values in judged.measured.items()}
        if error := nan_error(clean):
            self.errors = {named.name: error for named in self.attacks}
        chains: dict[str, Chain] = {}
        seen = SeenSigns(batch)
        for named in self.attacks:
            alone = Chain.begin(images, logits, clean, labels, correct)
            chain = alone if named.chain is None else chains.setdefault(named.chain, alone)
            goal = named.targets(logits, labels, indices) if named.attack.targeted else labels
            self.progress.begin(named.name, len(labels), self.costs[named.name])
            tried, adversarial = self._tried(named, batch, goal, chain, seen)
            self.progress.end()
            if adversarial is None:
                continue
            start = time.perf_counter()
            judged = self._judge(adversarial, batch) if tried.any() else first
            prediction = torch.where(tried, judged.predictions, chain.predictions)
            self.costs[named.name].seconds += time.perf_counter() - start
            reached = (prediction == goal) if named.attack.targeted else (prediction != labels)
            columns |= {f"{named.name}/pred": prediction, f"{named.name}/success": tried & reached}
            sizes = {key: perturbation_norm(adversarial - images, norm) for key, norm in NORMS.items()}
            columns |= {
                f"{named.name}/{key}": values.masked_fill(~tried, torch.nan)
                for key, values in (sizes | judged.measured).items()
            }
            if has_source(named):
                columns[f"{named.name}/{SOURCE}"] = self._fooled_source(named, batch, goal, tried, adversarial)
            on_attacked(named.name, batch, adversarial, prediction)
            if named.in_worst_case:
                fallen = fallen | (tried & (prediction != labels))
                chain.take(tried, adversarial, judged.logits, prediction, labels)
        columns |= {f"{SIGN}{sign}": seen.column(sign) for sign in self._signs}
        columns["fell"] = fallen
        return Samples({name: as_array(column) for name, column in columns.items()})

    def _tried(
        self, named: NamedAttack, batch: Batch, goal: Tensor, chain: Chain, seen: SeenSigns
    ) -> tuple[Tensor, Tensor | None]:
        """Which samples (B,) an attack is run on, and adversarial images (B, C, H, W); None if it failed.

        Those of samples that it is not run on are what the chain holds of them.
        """
        if named.name in self.errors:
            return chain.standing, None
        start = time.perf_counter()
        try:
            # Signs are looked for as an adversary of the default backward mode sees the model.
            plain = WhiteBox()(self.prepared.form(None), self._meter(named))
            tried = seen.showing(named.where, plain, chain.standing)
            aimed = Batch(batch.image[tried], goal[tried], batch.index[tried])
            adversarial = chain.made(tried, named.start, lambda starts: self._strongest(named, aimed, starts))
        except Exception as error:
            self.errors[named.name] = f"{type(error).__name__}: {error}"
            warnings.warn(f"Attack {named.name!r} failed and is left out: {error}", stacklevel=3)
            return chain.standing, None
        self.costs[named.name].seconds += time.perf_counter() - start
        self.costs[named.name].attacked += int(tried.sum())
        return tried, adversarial

    def _strongest(self, named: NamedAttack, batch: Batch, starts: Tensor | None) -> Tensor:
        """Adversarial images (B, C, H, W) for (images, goals, indices), from points (B, C, H, W) if any are given."""
        named, searched = self.prepared.ready(named)
        images, goal, indices = batch
        adversarial = self._clipped(named, searched, batch, starts)
        if self.prepared.misled(named, torch.cat([images[:MOST], adversarial[:MOST]])):
            named, searched = self.prepared.ready(named)
            adversarial = self._clipped(named, searched, batch, starts)
        if not named.view.is_deployed or self.model.frontend.randomised:
            return adversarial
        with torch.no_grad():
            thought, judged = predicted_classes(searched(adversarial)), predicted_classes(self.model(adversarial))
        again = ((thought == goal) == named.attack.targeted) & ((judged == goal) != named.attack.targeted)
        if again.any():
            some = Batch(images[again], goal[again], indices[again])
            exact = named.view.cold()(self.model, self._meter(named))
            adversarial[again] = self._clipped(named, exact, some, None if starts is None else starts[again])
        return adversarial

    def _fooled_source(
        self, named: NamedAttack, batch: Batch, goal: Tensor, tried: Tensor, adversarial: Tensor
    ) -> Tensor:
        """`fooled_source` (B,) of the samples that an attack was run on, NaN of the others."""
        if not tried.any():  # nor is there a network, perhaps, if it was to be fitted
            return torch.full_like(perturbation_norm(adversarial, "Linf"), torch.nan)
        asked = self.costs[named.name].forwards
        fooled = fooled_source(self.prepared.ready(named)[1], named, batch, goal, adversarial)
        self.costs[named.name].forwards = asked  # this was no adversary's question
        return fooled.masked_fill(~tried, torch.nan)

    def _meter(self, named: NamedAttack) -> Callable[[Model], Model]:
        return lambda model: metered(model, self.costs[named.name], self.progress.tick)

    def _clipped(self, named: NamedAttack, model: Model, batch: Batch, starts: Tensor | None) -> Tensor:
        adversarial = named.attack(model, *batch, starts=starts)
        if adversarial.shape != batch.image.shape or not adversarial.isfinite().all():
            raise ValueError(
                f"an attack must return finite images of shape {tuple(batch.image.shape)}, found "
                f"{tuple(adversarial.shape)}"
            )
        return adversarial.clamp(0, 1)

    def _judge(self, images: Tensor, batch: Batch) -> Verdict:
        """The deployed model's verdict on what became of a batch's images (B, C, H, W)."""
        return verdict(self.model, images, batch, self._draws, with_quality=self._sees_images)


def nan_error(predictions: Tensor | np.ndarray) -> str | None:
    """Why no attack on a model says anything, from its predictions of clean images (N,)."""
    count = int((predictions == -1).sum())
    return f"the model returned NaN for {count} of {len(predictions)} clean images" if count else None
