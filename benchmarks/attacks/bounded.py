"""PGD with restarts, and AutoAttack, within a ball."""

from collections.abc import Iterator
from typing import Any

import foolbox
import torch
from art.attacks.evasion import ProjectedGradientDescentPyTorch
from art.estimators.classification import PyTorchClassifier
from pyautoattack import AutoAttack as PyAutoAttack
from torch import Tensor, nn

from benchmarks.attacks.inputs import Inputs, Ours, robust
from benchmarks.contest import Check, Contest, Goal
from sparsefront.attacks import PGD, AutoAttack

EPS, STEPS, RESTARTS = 8 / 255, 40, 10
POINTS = 0.5  # that our robust accuracy may lie above the rival's


def art_classifier(net: nn.Module, shape: tuple[int, ...], number: int = 10) -> PyTorchClassifier:
    """The network as ART takes it."""
    return PyTorchClassifier(net, nn.CrossEntropyLoss(), shape, number, clip_values=(0, 1), device_type="cpu")


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """Linf 8/255 on an adversarially trained ResNet-32."""
    yield _pgd(inputs, 5 * number)
    yield _auto_attack(inputs, max(number // 2, 10))


def _checks(net: nn.Module, batch: Any, mine: list[str], rivals: list[str]) -> Any:
    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        accuracy = {name: robust(net, batch, found) for name, found in results.items()}
        best = min(accuracy[name] for name in rivals)
        outside = {
            name: (
                (results[name] - batch.image).abs().max().item(),
                results[name].min().item(),
                results[name].max().item(),
            )
            for name in mine
        }
        found = {f"robust accuracy, {name}": Check(accuracy[name]) for name in rivals}
        for name in mine:
            found[f"robust accuracy, {name}"] = Check(accuracy[name], most=best + POINTS)
            found[f"largest change, {name}"] = Check(outside[name][0], most=EPS * (1 + 1e-5))
        return found

    return checks


def _pgd(inputs: Inputs, number: int) -> Contest:
    net, batch = inputs.cifar10(number, right=False)  # as they come: a tool that knows which are wrong need not try
    step = 2.5 * EPS / STEPS
    images, labels, _ = batch

    def by_foolbox() -> Tensor:
        attack = foolbox.attacks.LinfPGD(abs_stepsize=step, steps=STEPS).repeat(RESTARTS)
        model = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
        return attack(model, images, labels, epsilons=EPS)[1]

    def by_art() -> Tensor:
        attack = ProjectedGradientDescentPyTorch(
            art_classifier(net, tuple(images.shape[1:])), eps=EPS, eps_step=step, max_iter=STEPS,
            num_random_init=RESTARTS, batch_size=len(images), verbose=False,
        )  # fmt: skip
        return torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))

    attack = PGD(eps=EPS, steps=STEPS, step_size=step, n_restarts=RESTARTS, early_stop=True)
    mine = {"PGD": Ours(net, batch, attack)}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():  # emulated, it takes many times as long
        mine["PGD, bf16 search"] = Ours(net, batch, attack, search_precision="bf16")
    rivals = {"foolbox": by_foolbox, "ART": by_art}
    return Contest(
        path="bounded",
        setting=f"PGD-{STEPS} with {RESTARTS} restarts, Linf 8/255, ResNet-32, {len(labels)} images as they come",
        signals=len(labels),
        runs={**rivals, **mine},
        goals=[Goal(name, rival, asked) for name, asked in zip(mine, (3.0, 6.0), strict=False) for rival in rivals],
        checks=_checks(net, batch, list(mine), list(rivals)),
        flops=mine["PGD"].flops,
        rounds=1,
    )


def _auto_attack(inputs: Inputs, number: int) -> Contest:
    net, batch = inputs.cifar10(number)

    def by_pyautoattack() -> Tensor:
        attack = PyAutoAttack(net, norm="Linf", eps=EPS, version="standard", device="cpu", seed=0)
        adversarial: Tensor = attack.run_standard_evaluation(batch.image, batch.label, batch_size=len(batch.label))[0]
        return adversarial

    mine = Ours(net, batch, AutoAttack(eps=EPS))
    return Contest(
        path="bounded",
        setting=f"AutoAttack standard, Linf 8/255, ResNet-32, {len(batch.label)} images",
        signals=len(batch.label),
        runs={"pyautoattack": by_pyautoattack, "AutoAttack": mine},
        goals=[Goal("AutoAttack", "pyautoattack", 1.3)],
        checks=_checks(net, batch, ["AutoAttack"], ["pyautoattack"]),
        flops=mine.flops,
        rounds=1,
    )
