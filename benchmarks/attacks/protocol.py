"""The standard protocol beside AutoAttack, on networks that were trained adversarially and hide nothing."""

from collections.abc import Iterator

import torch
from pyautoattack import AutoAttack as PyAutoAttack
from torch import Tensor, nn

from benchmarks.attacks.inputs import Inputs, robust
from benchmarks.contest import Check, Contest, Goal
from sparsefront.attacks import Standard
from sparsefront.data.batch import Batch

POINTS = 0.3  # that our robust accuracy may lie above the rival's
TIMES = 1 / 0.75  # as fast
BATCH = 250


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """Digits within Linf 0.1 and, where there are weights, pictures within 8/255."""
    digits = 15 * number
    yield _contest(
        *inputs.robust_digits(digits, 0.1), 0.1, f"adversarially trained ConvNet, digits 28x28, {digits} images"
    )
    if inputs.weights is not None:
        yield _contest(*inputs.cifar10(number), 8 / 255, f"ResNet-32, {number} images")


def _contest(net: nn.Module, batch: Batch, eps: float, setting: str) -> Contest:
    def by_pyautoattack() -> Tensor:
        attack = PyAutoAttack(net, norm="Linf", eps=eps, version="standard", device="cpu", seed=0)
        adversarial: Tensor = attack.run_standard_evaluation(batch.image, batch.label, batch_size=BATCH)[0]
        return adversarial

    def by_protocol() -> Tensor:
        parts = zip(*(torch.split(values, BATCH) for values in batch), strict=True)
        return torch.cat([Standard(norm="Linf", eps=eps)(net, *part) for part in parts])

    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        ours, theirs = (robust(net, batch, results[name]) for name in ("Standard", "pyautoattack"))
        change = (results["Standard"] - batch.image).abs().max().item()
        return {
            "robust accuracy, pyautoattack": Check(theirs),
            "robust accuracy, Standard": Check(ours, most=theirs + POINTS),
            "largest change, Standard": Check(change, most=eps * (1 + 1e-5)),
        }

    return Contest(
        path="protocol",
        setting=f"Linf {eps:.3g}, {setting}",
        signals=len(batch.label),
        runs={"pyautoattack": by_pyautoattack, "Standard": by_protocol},
        goals=[Goal("Standard", "pyautoattack", TIMES)],
        checks=checks,
        rounds=1,
    )
