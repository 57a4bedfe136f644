"""JSMA: the fewest pixels."""

from collections.abc import Iterator

import numpy as np
import torch
from art.attacks.evasion import SaliencyMapMethod
from torch import Tensor

from benchmarks.attacks.bounded import art_classifier
from benchmarks.attacks.inputs import Inputs
from benchmarks.contest import Check, Contest, Goal
from sparsefront import DefendedClassifier
from sparsefront.attacks import JSMA
from sparsefront.evaluation.search_form import search_form

TOUCHED = 110  # pixels that may be changed


def contests(inputs: Inputs, number: int) -> Iterator[Contest]:
    """Aimed at the next digit."""
    yield _jsma(inputs, 5 * number)


def _jsma(inputs: Inputs, number: int) -> Contest:
    net, batch = inputs.digits(number)
    targets = (batch.label + 1) % 10

    def by_art() -> Tensor:
        # ART goes on until more than gamma are touched.
        gamma = (TOUCHED - 1) / 784
        attack = SaliencyMapMethod(
            art_classifier(net, (1, 28, 28)), theta=1.0, gamma=gamma, batch_size=len(targets), verbose=False
        )
        return torch.from_numpy(attack.generate(batch.image.numpy(), np.eye(10)[targets.numpy()]))

    def reached(found: Tensor) -> float:
        with torch.no_grad():
            return float(100 * (net(found).argmax(dim=1) == targets).double().mean())

    attack = JSMA(theta=1.0, gamma=TOUCHED / 784, targeted=True, pair_search="top2")
    form = search_form(DefendedClassifier(lambda *_sizes: net, image_shape=(1, 28, 28)).eval())
    return Contest(
        path="saliency",
        setting=f"JSMA, theta 1, {TOUCHED} pixels, targeted, digits 28x28, {len(targets)} images",
        signals=len(targets),
        runs={"ART": by_art, "JSMA": lambda: attack(form, batch.image, targets, batch.index)},
        goals=[Goal("JSMA", "ART", 4.0)],
        checks=lambda results: {
            "target reached, ART": Check(reached(results["ART"])),
            "target reached, JSMA": Check(reached(results["JSMA"]), least=reached(results["ART"]) - 0.5),
        },
        rounds=3,
    )
