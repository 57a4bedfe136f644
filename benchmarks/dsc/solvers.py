"""From an image to codes at rest, by both solvers, cold and between the steps of an attack."""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from benchmarks.contest import Check, Contest, Goal
from benchmarks.frontends.cost import pictures
from frontends import DSC
from frontends.dsc_layer import DSCLayer
from frontends.hierarchy import Hierarchy
from frontends.joint_operator import JointOperator

TOLERANCE = 1e-2  # of rest, the front end's own
LAYERS = {
    32: (DSCLayer(64, 8, 2, 0.5), DSCLayer(96, 6, 4, 0.1), DSCLayer(128, lmbda=0.05)),
    64: (DSCLayer(128, 8, 2, 0.5), DSCLayer(256, 6, 4, 0.1), DSCLayer(512, lmbda=0.05)),
}
LEARNING = {"images": 64, "batch": 16, "steps": 30}
STEP = 2 / 255  # of an attack
MOST = 20_000  # steps
BYTES = 2**28


def contests(number: int) -> Iterator[Contest]:
    """At 32 and 64 pixels; three layers with feedback 1, learned from other crops of the same photographs."""
    for side, layers in LAYERS.items():
        shape = (3, side, side)
        frontend = learned(side, layers, pictures(LEARNING["images"], shape, seed=1))
        yield contest(frontend, pictures(number, shape))


def learned(side: int, layers: tuple[DSCLayer, ...], images: Tensor) -> DSC:
    """A front end after a few learning steps."""
    frontend, generator = DSC((3, side, side), layers), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _ in tqdm(range(LEARNING["steps"]), desc=f"learning at {side} pixels", leave=False):
            chosen = torch.randperm(len(images), generator=generator)[: LEARNING["batch"]]
            frontend.learn_from(images[chosen])
    frontend.learned.fill_(True)
    return frontend.eval()


class Counted(JointOperator):
    """Counts the signals that it has brought to codes and back."""

    def __init__(self, operator: JointOperator) -> None:
        super().__init__(operator.blocks)
        self.products = 0

    def analyse(self, signals: Tensor) -> Tensor:
        """As ever."""
        self.products += len(signals)
        return super().analyse(signals)

    def synthesise(self, codes: Tensor) -> Tensor:
        """As ever."""
        self.products += len(codes)
        return super().synthesise(codes)


def products_flops(model: Hierarchy) -> float:
    """Of bringing one image's signals to codes, or back."""
    return sum(
        2.0 * prod(operator.code_shape) * level.atoms[0].numel()
        for level, operator in zip(model.levels, model.operators, strict=True)
    )


def count_products(model: Hierarchy, run: Callable[[], Any]) -> int:
    """How many a run of the default solver takes."""
    made: list[Counted] = []
    build = model._operator

    def counting(group: Sequence[int], scales: Sequence[float]) -> JointOperator:
        made.append(Counted(build(group, scales)))
        return made[-1]

    setattr(model, "_operator", counting)  # noqa: B010 (mypy refuses a method's assignment)
    try:
        run()
    finally:
        setattr(model, "_operator", build)  # noqa: B010
    return sum(operator.products for operator in made)


@torch.no_grad()
def contest(frontend: DSC, images: Tensor) -> Contest:
    """Both solvers to the same rest, on the same images.

    `Euler` has the shortest time constant that is sure to be stable, `Euler, half tau` the shortest that can be on all
    inputs. No published run says how it chose its own.
    """
    model = frontend.hierarchy()
    given = model.given(frontend._signals(images, None))
    steps = torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).sign()
    moved = model.given(frontend._signals((images + STEP * steps).clamp(0, 1), None))
    blank = images.new_zeros(len(images), sum(model.sizes))
    before, _ = model.minimise(blank, given, TOLERANCE, MOST, BYTES)
    tau = model.tau()

    def default(start: Tensor = blank, signals: list[Tensor | None] = given) -> Tensor:
        return model.minimise(start, signals, TOLERANCE, MOST, BYTES)[0]

    def euler(share: float) -> Tensor:
        return model.settle(blank, given, share * tau, TOLERANCE, MOST)[0]

    def unrest(codes: Tensor, signals: list[Tensor | None]) -> float:
        parts = model.split(codes)
        return float(model.unrest(parts, model.drive(parts, signals)).max())

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        least = model.energy(results["Euler"], given).sum(dim=1)
        found = {
            f"unrest, {name}": Check(unrest(codes, moved if "warm" in name else given), most=1.02 * TOLERANCE)
            for name, codes in results.items()
        }
        excess = (model.energy(results["default"], given).sum(dim=1) / least - 1).max().item()
        return {**found, "energy over Euler's, relative": Check(excess, most=1e-4)}

    flops = count_products(model, default) * products_flops(model)
    side, atoms = images.shape[-1], "+".join(str(layer.n_atoms) for layer in frontend.layers)
    return Contest(
        path="solvers",
        setting=f"{len(images)} images of {side}x{side}, {atoms} atoms",
        signals=len(images),
        runs={
            "Euler": lambda: euler(1.0),
            "Euler, half tau": lambda: euler(0.5),
            "default": default,
            "default, warm": lambda: default(before, moved),
        },
        goals=(
            Goal("default", "Euler", 10),
            Goal("default", "Euler, half tau", 10),
            Goal("default, warm", "Euler", 10),
            Goal("default, warm", "default", 1),
        ),
        checks=checks,
        flops=flops,
        rounds=1,
    )
