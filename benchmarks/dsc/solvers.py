"""From images to codes at rest, and back from their gradient: today's solver, steps in all codes, the dynamics."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.contest import Check, Contest, Goal
from benchmarks.frontends.cost import pictures
from sparsecode.hierarchy import CoordinateDescent, Euler, Hierarchy, Proximal
from sparsefront.frontends import DSC
from sparsefront.frontends.dsc import DSCSolver
from sparsefront.frontends.dsc.dsc import FACES
from sparsefront.frontends.dsc.layer import DSCLayer

PATHS = ("published", "cold", "warm", "gradient", "learning")
TOLERANCE = 1e-2  # of rest, the front end's own
LAYERS = {
    32: (DSCLayer(64, 8, 4, 1.0), DSCLayer(128, 4, 4, 0.3), DSCLayer(256, lmbda=0.1)),
    64: FACES,
    224: (DSCLayer(128, 8, 4, 1.0), DSCLayer(256, 4, 4, 0.3), DSCLayer(512, 3, 2, lmbda=0.1)),
}
ASKED = {32: 4.0, 64: 3.0, 224: 0.0}
LEARNING = {"images": 64, "batch": 16, "steps": 30}
STEP = 2 / 255  # of an attack
MOST = 60_000  # steps
NUMBERS = {32: 16, 64: 16, 224: 2}  # images in a batch
PUBLISHED = 4  # with the dynamics, which take minutes


def contests(path: str) -> Iterator[Contest]:
    """At 32, 64 and 224 pixels; three layers with feedback 1, learned from other crops of the same photographs."""
    for side in LAYERS:
        if path == "published" and side == 224:
            continue  # hours
        frontend = learned(side)
        images = pictures(PUBLISHED if path == "published" else NUMBERS[side], (3, side, side))
        if path == "gradient":
            yield gradient(frontend, images)
        elif path == "learning":
            yield learning(frontend, side)
        else:
            yield Field(frontend, images).contest(path)


@cache
def learned(side: int) -> DSC:
    """A front end after a few learning steps; what runs must not change it."""
    shape = (3, side, side)
    images = pictures(LEARNING["images"], shape, seed=1)
    frontend, generator = DSC(shape, LAYERS[side]), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in tqdm(range(LEARNING["steps"]), desc=f"learning at {side} pixels", leave=False):
            chosen = torch.randperm(len(images), generator=generator)[: LEARNING["batch"]]
            frontend.learn_from(images[chosen])
    frontend.learned.fill_(True)
    return frontend.eval()


def setting(frontend: DSC, number: int) -> str:
    """Its sizes in words."""
    atoms = "+".join(str(plan.layer.n_atoms) for plan in frontend.network.plans)
    _, height, width = frontend.image_shape
    return f"{number} images of {height}x{width}, {atoms} atoms"


class Field:
    """A front end's layers, some images, and the same a step of an attack later.

    Args:
        frontend: has learned.
        images: (B, C, H, W) in [0, 1].
    """

    def __init__(self, frontend: DSC, images: Tensor) -> None:
        self.side = images.shape[-1]
        self.model = frontend.network.hierarchy()
        steps = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).sign()
        self.here = self.model.given(frontend.network.signals(images))
        self.moved = self.model.given(frontend.network.signals((images + STEP * steps).clamp(0, 1)))
        self.blank = images.new_zeros(len(images), sum(self.model.sizes))
        self.setting = setting(frontend, len(images))

    def contest(self, path: str) -> Contest:
        """From nothing, beside the dynamics or steps in all codes; or from the codes of the images before.

        `Euler` has the shortest time constant that is sure to be stable, `Euler, half tau` the shortest that can be on
        all inputs. No published run says how it chose its own.
        """
        coordinate, proximal = CoordinateDescent(self.model).minimise, Proximal(self.model).minimise
        if path == "published":
            runs: dict[str, Callable[[], Tensor]] = {
                "Euler": partial(self.euler, 1.0),
                "Euler, half tau": partial(self.euler, 0.5),
                "coordinate": partial(self.solve, coordinate, self.blank, self.here),
            }
            goals = [Goal("coordinate", "Euler", 10), Goal("coordinate", "Euler, half tau", 10)]
        elif path == "cold":
            runs = {
                "proximal": partial(self.solve, proximal, self.blank, self.here),
                "coordinate": partial(self.solve, coordinate, self.blank, self.here),
            }
            goals = [Goal("coordinate", "proximal", ASKED[self.side])]
        else:
            before = self.solve(coordinate, self.blank, self.here)
            runs = {
                "proximal, warm": partial(self.solve, proximal, before, self.moved),
                "from nothing": partial(self.solve, coordinate, self.blank, self.moved),
                "coordinate, warm": partial(self.solve, coordinate, before, self.moved),
            }
            goals = [Goal("coordinate, warm", "proximal, warm", 1), Goal("coordinate, warm", "from nothing", 1)]
        signals = self.moved if path == "warm" else self.here
        return Contest(
            path=path,
            setting=self.setting,
            signals=len(self.blank),
            runs=runs,
            goals=goals,
            checks=partial(self.checks, signals, goals[0].rival),
            rounds=1 if path == "published" else 5,
            unit="images",
        )

    @torch.no_grad()
    def solve(
        self, minimise: Callable[..., tuple[Tensor, Tensor]], start: Tensor, signals: list[Tensor | None]
    ) -> Tensor:
        """Codes by one of the ways to the least energy."""
        return minimise(start, signals, TOLERANCE, MOST)[0]

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


def gradient(frontend: DSC, images: Tensor) -> Contest:
    """The front end and its implicit derivative, as an attack's step takes it; the rival's system by products."""
    rival = other(frontend, DSCSolver("proximal"))

    def run(by: DSC) -> Tensor:
        x = images.clone().requires_grad_()
        value = by.stand_in("implicit")(x)
        return torch.autograd.grad((value * (1 + value.detach())).sum(), x)[0]

    def by_products() -> Tensor:
        with patch.object(Hierarchy, "can_be_compiled", lambda *_: False):
            return run(rival)

    def checks(results: dict[str, Tensor]) -> dict[str, Check]:
        these, those = results["coordinate"], results["proximal"]
        distance = ((these - those).flatten(1).norm(dim=1) / those.flatten(1).norm(dim=1)).median().item()
        return {"median distance of gradients, relative": Check(distance, most=0.05)}

    return Contest(
        path="gradient",
        setting=setting(frontend, len(images)),
        signals=len(images),
        runs={"proximal": by_products, "coordinate": partial(run, frontend)},
        goals=[Goal("coordinate", "proximal", 1)],
        checks=checks,
        rounds=3,
        unit="images",
    )


def learning(frontend: DSC, side: int) -> Contest:
    """A learning step on a batch, from the same atoms each time."""
    number = NUMBERS[side]
    images, rival = pictures(number, frontend.image_shape, seed=2), other(frontend, DSCSolver("proximal"))

    @torch.no_grad()
    def run(by: DSC) -> float:
        return deepcopy(by).learn_from(images)["energy"]

    def checks(results: dict[str, float]) -> dict[str, Check]:
        excess = results["coordinate"] / results["proximal"] - 1
        return {"energy over the rival's, relative": Check(excess, most=1e-3)}  # of codes that rest but roughly

    return Contest(
        path="learning",
        setting=setting(frontend, number),
        signals=number,
        runs={"proximal": partial(run, rival), "coordinate": partial(run, frontend)},
        goals=[Goal("coordinate", "proximal", 1)],
        checks=checks,
        rounds=3,
        unit="images",
    )


def other(frontend: DSC, solver: DSCSolver) -> DSC:
    """The same with another solver."""
    found = deepcopy(frontend)
    found.network.solver = solver
    return found
