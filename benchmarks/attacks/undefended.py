"""Smallest perturbations on an undefended digits network, over all samples."""

from collections.abc import Callable, Iterator
from typing import Any

import foolbox
import torch
from art.attacks.evasion import CarliniL2Method
from art.attacks.evasion import DeepFool as ArtDeepFool
from torch import Tensor, nn

from benchmarks.attacks.bounded import art_classifier
from benchmarks.attacks.inputs import Inputs, Ours, robust
from benchmarks.contest import Check, Contest
from sparsefront.attacks import FAB, FMN, Attack, CarliniWagner, DeepFool, Norm, perturbation_norm
from sparsefront.data.batch import Batch

SHAPE = (1, 28, 28)
CONSTANT = 0.1  # where Carlini and Wagner's search begins
Attempts = dict[str, Callable[[], Tensor]]


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """DeepFool and Carlini and Wagner beside foolbox's and ART's, then what else is as near."""
    net, batch = inputs.digits(2 * number)
    norm: Norm
    for norm in ("L2", "Linf"):
        rivals = {"foolbox": _foolbox(net, batch, getattr(foolbox.attacks, f"{norm}DeepFoolAttack")())}
        if norm == "L2":
            rivals["ART"] = _art_deep_fool(net, batch)
        yield _contest(net, batch, norm, {"DeepFool": DeepFool(norm=norm)}, rivals, "50 steps")
    few = Batch(batch.image[:number], batch.label[:number], batch.index[:number])
    for steps in (100, 200):
        ours = CarliniWagner(binary_search_steps=5, steps=steps, initial_const=CONSTANT)
        settings: dict[str, Any] = {"binary_search_steps": 5, "initial_const": CONSTANT}
        theirs = foolbox.attacks.L2CarliniWagnerAttack(steps=steps, stepsize=0.01, **settings)
        rivals = {"foolbox": _foolbox(net, few, theirs)}
        if steps == 100:
            rivals["ART"] = _art_carlini_wagner(net, few, steps, settings)
        yield _contest(net, few, "L2", {"CarliniWagner": ours}, rivals, f"5 x {steps} steps")
    for norm in ("L2", "Linf"):
        yield _contest(net, few, norm, {"FMN": FMN(norm=norm), "FAB": FAB(norm=norm)}, {}, "100 steps")


def _foolbox(net: nn.Module, batch: Batch, attack: foolbox.attacks.base.Attack) -> Callable[[], Tensor]:
    def run() -> Tensor:
        model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
        adversarial: Tensor = attack(model, batch.image, batch.label, epsilons=None)[1]
        # Where Carlini and Wagner's finds nothing it returns a black image, which has some label: not one it found.
        black = (adversarial == 0).flatten(1).all(dim=1)
        return torch.where(black[:, None, None, None], batch.image, adversarial)

    return run


def _art_deep_fool(net: nn.Module, batch: Batch) -> Callable[[], Tensor]:
    attack = ArtDeepFool(
        art_classifier(net, SHAPE), max_iter=50, epsilon=0.02, batch_size=len(batch.label), verbose=False
    )
    return lambda: torch.from_numpy(attack.generate(batch.image.numpy()))


def _art_carlini_wagner(net: nn.Module, batch: Batch, steps: int, settings: dict[str, Any]) -> Callable[[], Tensor]:
    attack = CarliniL2Method(
        art_classifier(net, SHAPE), max_iter=steps, learning_rate=0.01, batch_size=len(batch.label), verbose=False,
        **settings,
    )  # fmt: skip
    return lambda: torch.from_numpy(attack.generate(batch.image.numpy()))


def _contest(
    net: nn.Module, batch: Batch, norm: Norm, attacks: dict[str, Attack], rivals: Attempts, steps: str
) -> Contest:
    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        left = {name: robust(net, batch, adversarial) for name, adversarial in results.items()}
        medians = {name: median_over_all(net, batch, adversarial, norm) for name, adversarial in results.items()}
        nearest = min((medians[name] for name in rivals), default=torch.inf)
        return {f"share still right, {name}": Check(left[name]) for name in rivals} | {
            f"share still right, {name}": Check(left[name], most=0) for name in attacks
        } | {f"median {norm} over all, {name}": Check(medians[name]) for name in rivals} | {
            f"median {norm} over all, {name}": Check(medians[name], most=1.02 * nearest) for name in attacks
        }  # fmt: skip

    return Contest(
        path="undefended",
        setting=f"{', '.join(attacks)}, {norm}, {steps}, undefended ConvNet, digits 28x28, {len(batch.label)} images",
        signals=len(batch.label),
        runs={**rivals, **{name: Ours(net, batch, attack) for name, attack in attacks.items()}},
        checks=checks,
        rounds=1,
    )


def median_over_all(net: nn.Module, batch: Batch, adversarial: Tensor, norm: Norm) -> float:
    """Size of the perturbations, one that does not fool being infinitely large."""
    with torch.no_grad():
        fallen = net(adversarial).argmax(dim=1) != batch.label
    sizes = torch.where(fallen, perturbation_norm(adversarial - batch.image, norm), torch.inf)
    return float(sizes.sort().values[[(len(sizes) - 1) // 2, len(sizes) // 2]].mean())
