"""The smallest perturbation: DeepFool, Carlini and Wagner, FMN."""

from collections.abc import Callable, Iterator
from typing import Any

import foolbox
from torch import Tensor, nn

from benchmarks.attacks.inputs import Inputs, Ours, robust
from benchmarks.contest import Check, Contest, Goal
from sparsefront.attacks import FMN, CarliniWagner, DeepFool
from sparsefront.data.batch import Batch


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """L2 on an adversarially trained ResNet-32."""
    yield _against_foolbox(
        *inputs.cifar10(5 * number), DeepFool(norm="L2"), foolbox.attacks.L2DeepFoolAttack(overshoot=0.02), 3.0
    )
    net, batch = inputs.cifar10(number)
    mine = CarliniWagner(binary_search_steps=5, steps=100, step_size=0.01, initial_const=0.1)
    theirs = foolbox.attacks.L2CarliniWagnerAttack(binary_search_steps=5, steps=100, stepsize=0.01, initial_const=0.1)
    yield _against_foolbox(net, batch, mine, theirs, 1.5)
    ddn = foolbox.attacks.DDNAttack(steps=100)
    yield _against_foolbox(net, batch, FMN(norm="L2", steps=100), ddn, 1.0)
    published = FMN(norm="L2", steps=100, n_candidate_classes=None)
    yield _against_foolbox(net, batch, published, ddn, 1.0, "FMN as published")
    yield _against_foolbox(net, batch, FMN(norm="L2", steps=40), ddn, 1.0, "FMN in 40 steps")


def _against_foolbox(net: nn.Module, batch: Batch, attack: Any, rival: Any, goal: float, name: str = "") -> Contest:
    name = name or type(attack).__name__

    def by_foolbox() -> Tensor:
        model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
        adversarial: Tensor = rival(model, batch.image, batch.label, epsilons=None)[1]
        return adversarial

    mine = Ours(net, batch, attack)
    return Contest(
        path="least",
        setting=f"{name}, L2, ResNet-32, {len(batch.label)} images",
        signals=len(batch.label),
        runs={"foolbox": by_foolbox, name: mine},
        goals=[Goal(name, "foolbox", goal)],
        checks=_sizes(net, batch, name),
        flops=mine.flops,
        rounds=3,
    )


def _sizes(net: nn.Module, batch: Batch, name: str) -> Callable[[dict[str, Tensor]], dict[str, Check]]:
    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        left = {who: robust(net, batch, found) for who, found in results.items()}
        sizes = {who: (found - batch.image).flatten(1).norm(dim=1).mean().item() for who, found in results.items()}
        return {
            "share still right, foolbox": Check(left["foolbox"]),
            f"share still right, {name}": Check(left[name], most=left["foolbox"] + 0.5),
            "mean L2, foolbox": Check(sizes["foolbox"]),
            f"mean L2, {name}": Check(sizes[name], most=1.02 * sizes["foolbox"]),
        }

    return checks
