"""From an image to codes at rest, by both solvers, cold and between the steps of an attack."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.contest import Check, Contest, Goal
from benchmarks.frontends.cost import pictures
from sparsecode.hierarchy import Euler, Hierarchy, JointOperator, Proximal
from sparsefront.frontends import DSC
from sparsefront.frontends.dsc.dsc import FACES
from sparsefront.frontends.dsc.layer import DSCLayer

TOLERANCE = 1e-2  # of rest, the front end's own
LAYERS = {
    32: (DSCLayer(64, 8, 4, 1.0), DSCLayer(128, 4, 4, 0.3), DSCLayer(256, lmbda=0.1)),
    64: FACES,
}
LEARNING = {"images": 64, "batch": 16, "steps": 30}
STEP = 2 / 255  # of an attack
MOST = 60_000  # steps


def contests(number: int) -> Iterator[Contest]:
    """At 32 and 64 pixels; three layers with feedback 1, learned from other crops of the same photographs."""
    for side, layers in LAYERS.items():
        shape = (3, side, side)
        frontend = learned(side, layers, pictures(LEARNING["images"], shape, seed=1))
        field = Field(frontend, pictures(number, shape))
        yield cold(field)
        yield warm(field)


def learned(side: int, layers: tuple[DSCLayer, ...], images: Tensor) -> DSC:
    """A front end after a few learning steps."""
    frontend, generator = DSC((3, side, side), layers), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in tqdm(range(LEARNING["steps"]), desc=f"learning at {side} pixels", leave=False):
            chosen = torch.randperm(len(images), generator=generator)[: LEARNING["batch"]]
            frontend.learn_from(images[chosen])
    frontend.learned.fill_(True)
    return frontend.eval()


def products_flops(model: Hierarchy) -> float:
    """Of bringing one image's signals to codes, or back."""
    return sum(
        2.0 * prod(operator.code_shape) * level.atoms[0].numel()
        for level, operator in zip(model.levels, model.operators, strict=True)
    )


def count_products(run: Callable[[], Any]) -> int:
    """How many a run of the default solver takes."""
    analyse, synthesise = JointOperator.analyse, JointOperator.synthesise
    products = 0

    def counting(product: Callable[[JointOperator, Tensor], Tensor]) -> Callable[[JointOperator, Tensor], Tensor]:
        def counted(operator: JointOperator, signals: Tensor) -> Tensor:
            nonlocal products
            products += len(signals)
            return product(operator, signals)

        return counted

    with (
        patch.object(JointOperator, "analyse", counting(analyse)),
        patch.object(JointOperator, "synthesise", counting(synthesise)),
    ):
        run()
    return products


class Field:
    """A front end's layers, some images, and the same a step of an attack later.

    Args:
        frontend: has learned.
        images: (B, C, H, W) in [0, 1].
    """

    def __init__(self, frontend: DSC, images: Tensor) -> None:
        self.model = frontend.network.hierarchy()
        steps = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).sign()
        self.here = self.model.given(frontend.network.signals(images))
        self.moved = self.model.given(frontend.network.signals((images + STEP * steps).clamp(0, 1)))
        self.blank = images.new_zeros(len(images), sum(self.model.sizes))
        atoms = "+".join(str(layer.n_atoms) for layer in (plan.layer for plan in frontend.network.plans))
        self.setting = f"{len(images)} images of {images.shape[-1]}x{images.shape[-1]}, {atoms} atoms"

    @torch.no_grad()
    def default(self, start: Tensor, signals: list[Tensor | None]) -> Tensor:
        """Codes by the default solver."""
        return Proximal(self.model).minimise(start, signals, TOLERANCE, MOST)[0]

    @torch.no_grad()
    def euler(self, share: float) -> Tensor:
        """Codes by the dynamics, at a share of the time constant that is sure to be stable."""
        dynamics = Euler(self.model, share * Euler(self.model).tau)
        return dynamics.settle(self.blank, self.here, TOLERANCE, MOST)[0]

    @torch.no_grad()
    def checks(self, signals: list[Tensor | None], rival: str, results: dict[str, Any]) -> dict[str, Check]:
        """All at rest, and no energy above the rival's."""
        found, energies = {}, {}
        for name, codes in results.items():
            parts = self.model.split(codes)
            found[f"unrest, {name}"] = Check(
                float(self.model.unrest(parts, self.model.drive(parts, signals)).max()), most=1.02 * TOLERANCE
            )
            energies[name] = self.model.energy(codes, signals).sum(dim=1)
        for name, energy in energies.items():
            excess = (energy / energies[rival] - 1).max().item()
            found[f"energy over the rival's, relative, {name}"] = Check(excess, most=1e-4)
        return found

    def contest(self, path: str, runs: dict[str, Callable[[], Any]], goals: Sequence[Goal], ours: str) -> Contest:
        """One, whose floor is that of our own run."""
        signals = self.here if path == "cold" else self.moved
        return Contest(
            path=path,
            setting=self.setting,
            signals=len(self.blank),
            runs=runs,
            goals=goals,
            checks=partial(self.checks, signals, goals[0].rival),
            flops=count_products(runs[ours]) * products_flops(self.model),
            rounds=1 if path == "cold" else 5,
            unit="images",
        )


def cold(field: Field) -> Contest:
    """Both solvers from nothing to the same rest.

    `Euler` has the shortest time constant that is sure to be stable, `Euler, half tau` the shortest that can be on all
    inputs. No published run says how it chose its own.
    """
    runs = {
        "Euler": lambda: field.euler(1.0),
        "Euler, half tau": lambda: field.euler(0.5),
        "default": lambda: field.default(field.blank, field.here),
    }
    return field.contest(
        "cold", runs, (Goal("default", "Euler", 10), Goal("default", "Euler, half tau", 10)), "default"
    )


def warm(field: Field) -> Contest:
    """The default solver on images that have moved, from the codes of those before and from nothing."""
    before = field.default(field.blank, field.here)
    runs = {
        "from nothing": lambda: field.default(field.blank, field.moved),
        "warm": lambda: field.default(before, field.moved),
    }
    return field.contest("warm", runs, (Goal("warm", "from nothing", 1),), "warm")
