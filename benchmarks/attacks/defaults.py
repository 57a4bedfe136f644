"""Attacks by answers alone, and a universal pattern, as they were set and as they are by default."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.attacks.inputs import Inputs, robust
from benchmarks.attacks.undefended import median_over_all
from benchmarks.contest import Check, Contest
from sparsefront.attacks import FMN, NES, PGD, ZOO, Attack, Boundary, UniversalPerturbation, perturbation_norm
from sparsefront.data.batch import Batch

EPS = 0.1
FITTING = 300  # images that a universal pattern is fitted on, and that the boundary attack starts at


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """On an undefended digits network; what gradients find beside them, where that is in question."""
    net, batch = inputs.digits(FITTING + 5 * number)
    fitting, rest = _rows(batch, slice(FITTING)), _rows(batch, slice(FITTING, None))
    few = _rows(rest, slice(max(number // 2, 1)))
    estimates = {"as it was": NES(eps=EPS, steps=30, n_directions=25, momentum=0.5), "now": NES(eps=EPS)}
    yield _contest("NES where PGD fools", net, _fallen(net, rest, number), estimates)
    zoo = ZOO(steps=40)
    coordinates = {"as it was": replace(zoo, learning_rate=0.01, initial_const=1.0), "now": zoo}
    yield _contest("ZOO, 40 steps", net, few, {**coordinates, "FMN": FMN()})
    patterns = {f"Linf {eps}": UniversalPerturbation(eps=eps, epochs=5, n_target_classes=5) for eps in (0.1, 0.2, 0.3)}
    yield _contest("UniversalPerturbation", net, rest, patterns, fitting)
    walks = {f"{steps} steps": Boundary(steps=steps) for steps in (1000, 5000, Boundary().steps)}
    yield _contest("Boundary", net, few, {**walks, "FMN": FMN()}, fitting)


def _rows(batch: Batch, rows: Any) -> Batch:
    return Batch(batch.image[rows], batch.label[rows], batch.index[rows])


def _fallen(net: nn.Module, batch: Batch, number: int) -> Batch:
    """Samples that PGD fools within eps: those that another attack may be asked for."""
    adversarial = PGD(eps=EPS, loss="cw", early_stop=True)(net, batch.image, batch.label)
    with torch.no_grad():
        fallen = net(adversarial).argmax(dim=1) != batch.label
    return _rows(batch, fallen.nonzero().squeeze(1)[:number])


def _contest(
    title: str, net: nn.Module, batch: Batch, attacks: Mapping[str, Attack], fitting: Batch | None = None
) -> Contest:
    asked = dict.fromkeys(attacks, 0)

    def run(name: str, attack: Attack) -> Callable[[], Tensor]:
        def model(images: Tensor) -> Tensor:
            asked[name] += len(images)
            logits: Tensor = net(images)
            return logits

        def attacked() -> Tensor:
            ready = attack if fitting is None else attack.fitted(net, fitting.image, fitting.label)
            return ready(model, batch.image, batch.label)

        return attacked

    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        found = {}
        for name, adversarial in results.items():
            fallen = net(adversarial).argmax(dim=1) != batch.label
            sizes = perturbation_norm(adversarial - batch.image, "L2")[fallen]
            found[f"images through the model for each sample, {name}"] = Check(asked[name] / len(batch.label))
            found[f"share still right, {name}"] = Check(robust(net, batch, adversarial))
            found[f"median L2 over all, {name}"] = Check(median_over_all(net, batch, adversarial, "L2"))
            if len(sizes):
                found[f"mean L2 over those that fell, {name}"] = Check(float(sizes.mean()))
        return found

    return Contest(
        path="defaults",
        setting=f"{title}, undefended ConvNet, digits 28x28, {len(batch.label)} images",
        signals=len(batch.label),
        runs={name: run(name, attack) for name, attack in attacks.items()},
        checks=checks,
        rounds=1,
    )
