"""T(x) from a cold start and warm between the steps of an attack, at four sizes."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.by_sporco import objective, rebuilt
from benchmarks.contest import Check, Contest, Goal
from benchmarks.stl.inputs import Inputs
from sparsefront.frontends import STL
from sparsefront.frontends.parts.previous_codes import PreviousCodes

COLD, WARM = 12.0, 30.0  # times as fast as SPORCO
STEP = 2 / 255
NUMBER = {32: 40, 64: 6, 128: 2, 224: 2}
ROUNDS = {32: 2, 64: 2, 128: 2, 224: 1}


def contests(inputs: Inputs, sides: Sequence[int]) -> Iterator[Contest]:
    """With one set of filters and with those of 4 clusters."""
    for side in sides:
        for n_clusters in (1, 4):
            yield _contest(inputs.frontend(side, n_clusters), inputs.coded(side, NUMBER[side]), ROUNDS[side])


class Walk:
    """Images that every call of a run finds moved by one step of an attack, by 2/255 at random signs.

    Args:
        images: where they start.
        call: what is run on them.
    """

    def __init__(self, images: Tensor, call: Callable[[Tensor], Any]) -> None:
        self.images, self.call = images, call
        self.generator = torch.Generator().manual_seed(1)

    def __call__(self) -> Any:
        """Run on the next images."""
        signs = torch.randint(0, 2, self.images.shape, generator=self.generator) * 2 - 1
        self.images = (self.images + STEP * signs).clamp(0, 1)
        return self.call(self.images)


def _contest(frontend: STL, images: Tensor, rounds: int) -> Contest:
    name = "STL" if frontend.coder.n_clusters == 1 else f"STL, {frontend.coder.n_clusters} clusters"
    rival = "SPORCO, image by image"

    def filters(of: Tensor) -> Tensor:
        return frontend.coder.filters[frontend.coder.assign(of)]

    def by_sporco(of: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        pairs = [rebuilt(image, bank) for image, bank in zip(of, own, strict=True)]
        return torch.stack([pair[0] for pair in pairs]), torch.stack([pair[1] for pair in pairs])

    def gradient(mode: Callable[[Tensor], Tensor], of: Tensor) -> Tensor:
        point = of.clone().requires_grad_()
        return torch.autograd.grad(mode(point).square().sum(), point)[0]

    value, attack = (frontend.stand_in("implicit", warm=True) for _ in range(2))
    with torch.no_grad():
        value(images)
    gradient(attack, images)
    # SPORCO is told the clusters, which cost it nothing.
    first = Walk(images, lambda of: of)()
    own = filters(first)
    runs: dict[str, Callable[[], Any]] = {
        rival: Walk(images, partial(by_sporco, own=own)),
        name: Walk(images, torch.no_grad()(frontend)),
        f"{name}, warm": Walk(images, torch.no_grad()(value)),
        f"{name}, attack step": Walk(images, partial(gradient, frontend.stand_in("implicit"))),
        f"{name}, attack step, warm": Walk(images, partial(gradient, attack)),
    }

    def checks(results: dict[str, Any]) -> dict[str, Check]:
        memory = PreviousCodes()
        frontend.encode(images, memory)
        codes = {name: frontend.encode(first), f"{name}, warm": frontend.encode(first, memory)}
        theirs, rest = results[rival][0], frontend.coder.split(first)[1]
        found = {}
        for mine, maps in codes.items():
            excess = _objectives(rest, maps.to_dense(), own) / _objectives(rest, results[rival][1], own) - 1
            found[f"{mine}: largest excess of the objective over SPORCO's"] = Check(excess.max().item(), most=1e-3)
            error = (results[mine].double() - theirs).square().mean(dim=(1, 2, 3))
            found[f"{mine}: least PSNR between an output and SPORCO's, dB"] = Check(
                (-10 * error.log10()).min().item(), least=40
            )
        return found

    return Contest(
        path="coding",
        setting=f"{name}, 64 filters 8x8x3, {images.shape[-1]}x{images.shape[-2]}, {len(images)} images",
        signals=len(images),
        unit="images",
        runs=runs,
        goals=[
            Goal(name, rival, COLD),
            Goal(f"{name}, warm", rival, WARM),
            Goal(f"{name}, attack step, warm", f"{name}, attack step", 0.0),
        ],
        checks=checks,
        rounds=rounds,
    )


def _objectives(images: Tensor, codes: Tensor, filters: Tensor) -> Tensor:
    """Each image with its own filters (N, K, C, h, w)."""
    each = zip(images.split(1), codes.split(1), filters, strict=True)
    return torch.cat([objective(image, code, bank) for image, code, bank in each])
