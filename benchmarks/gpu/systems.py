"""The networks that are trained on CIFAR-10: paper 001's, as the experiment files have them."""

from dataclasses import dataclass, replace
from functools import partial

import torch

from benchmarks.gpu.pictures import N_CLASSES, SIDE
from benchmarks.gpu.training.objectives import AdversarialTraining, CrossEntropyInBFloat16
from benchmarks.gpu.training.training_step import Objective
from sparsefront import DefendedClassifier
from sparsefront.classifiers import ResNet32
from sparsefront.frontends import Identity, TopT
from sparsefront.frontends.settings import TopTLearning
from sparsefront.model.deployed import Builder


@dataclass(frozen=True)
class System:
    """One network and how it is trained.

    Attributes:
        frontend: that it stands behind.
        epochs: of training.
        peak: of the learning rate. The paper's for batches of 64 are 0.05 and, with top-T, 0.02; these, for batches of
            512, are those of `results/top_t_cifar10.json`.
        adversarial: whether it is trained on what PGD makes of the images.
        batch: images a step.
    """

    frontend: Builder
    epochs: int
    peak: float
    adversarial: bool = False
    batch: int = 512

    def model(self) -> DefendedClassifier:
        """The network, untrained; all its draws are those of seed 0."""
        torch.manual_seed(0)
        return DefendedClassifier(ResNet32, self.frontend, image_shape=(3, SIDE, SIDE), num_classes=N_CLASSES)

    def objective(self, model: DefendedClassifier) -> Objective:
        """What it is trained for."""
        clean = CrossEntropyInBFloat16(model)
        return AdversarialTraining(clean) if self.adversarial else clean


_SYSTEMS = {
    "natural": System(Identity, epochs=70, peak=0.2),
    "top_t": System(TopT, epochs=70, peak=0.1),
    "pgd_at": System(Identity, epochs=30, peak=0.2, adversarial=True),
}


def systems(toy: bool) -> dict[str, System]:
    """All of them by name, in their order of worth."""
    if not toy:
        return _SYSTEMS
    small = partial(TopT, n_atoms=20, top_t=4, decoder="small", learning=TopTLearning(n_iterations=2))
    frontends = {"top_t": small}
    return {
        name: replace(one, frontend=frontends.get(name, one.frontend), epochs=2, batch=16)
        for name, one in _SYSTEMS.items()
    }
