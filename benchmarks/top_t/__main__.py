"""`python -m benchmarks.top_t`: hold the contests and keep their results."""

import argparse
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.contest import Check, Contest, Goal
from benchmarks.record import hold_all
from benchmarks.top_t.plain import Plain
from sparsefront.classifiers import CIFARResNet
from sparsefront.frontends import TopT

PATHS = ("forward", "gradient", "training", "large")
ASKED = {"forward": 2.2, "gradient": 2.2, "training": 1.8, "large": 0.0}
# Multiply-adds of an image of 32 x 32: projections, the first layer from 15 nonzeros a position, and the others.
FLOPS = 2 * (225 * 48 * 500 + 225 * 15 * 300 * 16 + 32 * 32 * 300 * 100 * 9 + 34 * 34 * 100 * 3 * 9)


def crops(number: int, side: int) -> Tensor:
    """Parts (N, 3, side, side) of two photographs."""
    photos = [torch.from_numpy(photo.copy()).permute(2, 0, 1).float() / 255 for photo in load_sample_images().images]
    generator = torch.Generator().manual_seed(0)
    parts = []
    for i in range(number):
        photo = photos[i % len(photos)]
        top, left = (int(torch.randint(full - side + 1, (), generator=generator)) for full in photo.shape[1:])
        parts.append(photo[:, top : top + side, left : left + side])
    return torch.stack(parts)


def random_atoms(side: int) -> TopT:
    """The front end in the paper's sizes; no two of its atoms are nearly the same, and no code of theirs is 0."""
    torch.manual_seed(0)
    frontend = TopT((3, side, side))
    frontend.dictionary.copy_(F.normalize(torch.randn_like(frontend.dictionary), dim=0))
    frontend.learned.fill_(True)
    return frontend.eval()


def contests(path: str, number: int) -> Iterator[Contest]:
    """Ours and the plain network on the same images, with the same weights."""
    side, number = (224, 1) if path == "large" else (32, 64 if path == "training" else number)
    frontend, images = random_atoms(side), crops(number, side)
    rival = Plain(frontend)
    frontend.requires_grad_(False)
    if path == "forward":
        runs: dict[str, Any] = {
            "TopT": partial(_forward, frontend, images),
            "plain torch": partial(_forward, rival, images),
        }
    elif path == "training":
        runs = {"TopT": _trainer(frontend, images), "plain torch": _trainer(rival, images)}
    else:
        both = {"TopT": frontend.stand_in("smooth"), "plain torch": rival}
        runs = {name: partial(_gradient, model, images) for name, model in both.items()}
    yield Contest(
        path=path,
        setting=f"{number} images of {side}x{side}x3, 500 atoms, T 15",
        signals=number,
        runs=runs,
        goals=[Goal("TopT", "plain torch", ASKED[path])],
        checks=_training_checks if path == "training" else _checks,
        flops=number * FLOPS if path == "forward" else 0.0,
        rounds=3 if path == "large" else 5,
        unit="images",
    )


@torch.no_grad()
def _forward(model: Any, images: Tensor) -> Tensor:
    decoded: Tensor = model(images)
    return decoded


def _gradient(model: Any, images: Tensor) -> Tensor:
    points = images.clone().requires_grad_()
    return torch.autograd.grad((model(points) - 0.5).square().sum(), points)[0]


def _trainer(frontend: Any, images: Tensor) -> Any:
    """A step of the decoder's and ResNet-32's training; the loss after it."""
    torch.manual_seed(0)
    model = nn.Sequential(deepcopy(frontend), CIFARResNet(3, 10)).train()
    model.requires_grad_(True)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    labels = torch.arange(len(images)) % 10

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _checks(results: dict[str, Tensor]) -> dict[str, Check]:
    """Another order of summation decides otherwise where a rectifier or the choice of atoms is at a tie."""
    ours, theirs = results["TopT"], results["plain torch"]
    apart = (ours - theirs).abs() > 1e-5 * theirs.abs().max()
    return {
        "values that differ by more than 1e-5 of the largest, %": Check(100 * apart.double().mean().item(), most=0.1)
    }


def _training_checks(results: dict[str, float]) -> dict[str, Check]:
    return {"difference of the losses": Check(abs(results["TopT"] - results["plain torch"]), most=1e-3)}


def main() -> None:
    """Hold the contests asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.top_t", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=list(PATHS), choices=PATHS)
    parser.add_argument("--number", type=int, default=16, help="images in a batch of 32x32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "top_t.json")
    options = parser.parse_args()
    held = partial(contests, number=options.number)
    hold_all("benchmarks.top_t", options.paths, held, options.results, options.threads, ("torch", "sparsefront"))


if __name__ == "__main__":
    main()
