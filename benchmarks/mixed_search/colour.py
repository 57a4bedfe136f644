"""`python -m benchmarks.mixed_search.colour`: what a query costs at 32 x 32 before ResNet-32, and what following saves.

Weights and atoms are random: what is measured does not depend on them.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.contest import Check, Contest, Goal
from benchmarks.record import hold_all
from sparsefront import DefendedClassifier
from sparsefront.attacks import MixedSearch, WhiteBox
from sparsefront.classifiers import CIFARResNet
from sparsefront.frontends import DDL, JPEG, BitDepth, FrontEnd, MedianFilter, NonLocalMeans, RegionSparse, TopT

SHAPE = (3, 32, 32)
FRONT_ENDS = (JPEG, DDL, TopT, RegionSparse, NonLocalMeans, MedianFilter, BitDepth)
RESULTS = Path(__file__).parent / "results" / "colour.json"


def defended(frontend: Callable[[tuple[int, int, int]], FrontEnd]) -> DefendedClassifier:
    """ResNet-32 behind a front end, with random atoms where it has any."""
    torch.manual_seed(0)
    model = DefendedClassifier(CIFARResNet, frontend, image_shape=SHAPE, num_classes=10)
    for name, atoms in model.frontend.named_buffers():
        if name.split(".")[-1] == "dictionary":
            atoms.copy_(nn.functional.normalize(torch.randn_like(atoms), dim=0))
    model.frontend.learned.fill_(True)
    return model.eval().requires_grad_(False)


def contests(name: str, number: int, n_queries: int) -> Iterator[Contest]:
    """How much following the front end can save at most and, where it is followed, how much it does."""
    model = defended(next(one for one in FRONT_ENDS if one.__name__ == name))
    images = torch.rand(number, *SHAPE)
    runs: dict[str, Callable[[], Tensor]] = {
        "front end and network": torch.no_grad()(lambda: model(images)),
        "network alone": torch.no_grad()(lambda: model.classifier(images)),
    }
    size = f"{number} images of 32 x 32"
    yield Contest(f"{name}, a query", size, number, runs, [Goal("network alone", "front end and network", 0)])
    if model.frontend.change_steps() is None:
        return
    labels = model(images).argmax(dim=1)
    search = MixedSearch(eps="8/255", n_queries=n_queries, patience=n_queries, n_walks=1, early_stop=False)
    logits = WhiteBox()(model)
    runs = {
        "changes followed": lambda: search(logits, images, labels),
        "whole images": lambda: search(partial(logits), images, labels),
    }
    yield Contest(
        f"{name}, a walk", f"{size}, {n_queries} queries", number * n_queries, runs,
        [Goal("changes followed", "whole images", 5)], partial(_checks, model, labels), rounds=1, unit="queries",
    )  # fmt: skip


def _checks(model: Any, labels: Tensor, results: dict[str, Tensor]) -> dict[str, Check]:
    with torch.no_grad():
        fooled = [int((model(images).argmax(dim=1) != labels).sum()) for images in results.values()]
    return {"samples fooled by one and not by the other": Check(abs(fooled[0] - fooled[1]), most=1)}


def main() -> None:
    """Hold the contests asked for."""
    names = [one.__name__ for one in FRONT_ENDS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_search.colour", description=__doc__)
    parser.add_argument("--paths", nargs="+", default=names, choices=names, help="front ends")
    parser.add_argument("--number", type=int, default=20, help="images in a batch")
    parser.add_argument("--n_queries", type=int, default=300, help="of a walk")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    held = partial(contests, number=options.number, n_queries=options.n_queries)
    hold_all(
        "benchmarks.mixed_search.colour",
        options.paths,
        held,
        options.results,
        options.threads,
        ("torch", "sparsefront"),
    )


if __name__ == "__main__":
    main()
