"""Filters learned online and by consensus, against SPORCO's learners with the same time."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import sporco.fft
import torch
from sporco.dictlrn.cbpdndl import ConvBPDNDictLearn
from sporco.dictlrn.onlinecdl import OnlineConvBPDNDictLearn
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.by_sporco import LMBDA, as_sporco, objective
from benchmarks.contest import Check, Contest, Goal
from benchmarks.stl.inputs import Inputs
from sparsecode import (
    ConsensusConvolutionalDictionary,
    OnlineConvolutionalDictionary,
    cbpdn,
    sample_patches,
    tikhonov_split,
)

N_FILTERS, SIZE = 64, 8
TOLERANCE = 2e-2  # of the codes, as STL learns
LOOKS = 6  # at the filters, each after twice the seconds of the one before
# Side of the images, how many are learned from, how many held out, seconds, images of our online learner's batch, and
# the step of SPORCO's online learner (`eta_a`), of 1, 3, 10 and 30 the best.
CONTESTS = {
    "online": [(32, 300, 40, 20.0, 32, 30.0), (128, 24, 6, 30.0, 4, 10.0)],
    "consensus": [(32, 100, 40, 40.0, 100, 0.0)],
}
# As in SPORCO's example for colour, but that the penalty of the codes follows its residuals, and their stopping rule:
# with these it learns faster.
ONLINE = {
    "Verbose": False,
    "ZeroMean": False,
    "eta_b": 20.0,
    "DataType": np.float32,
    "CBPDN": {"rho": 3.0, "RelStopTol": 1e-2, "MaxMainIter": 50, "AuxVarObj": False},
}
# As in its example for consensus, but that filters need not have mean 0, as ours need not.
CONSENSUS = {
    "Verbose": False,
    "MaxMainIter": 10**9,
    "CBPDN": {"rho": 50.0 * LMBDA + 0.5},
    "CCMOD": {"rho": 10.0, "ZeroMean": False},
}


@dataclass
class Curve:
    """Filters (K, C, h, w) as they were after so many seconds of learning.

    Attributes:
        budget: seconds, after which learning ends.
        seconds: at which filters were kept; what keeping them costs is not counted.
        filters: kept then.
    """

    budget: float
    seconds: list[float] = field(default_factory=list)
    filters: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin."""
        self.begun = time.perf_counter()

    def keep(self, filters: Callable[[], Tensor]) -> bool:
        """Look after one step of learning; whether the time is up."""
        passed = time.perf_counter() - self.begun
        if passed >= self.budget * 2.0 ** (1 - LOOKS) * 2 ** len(self.filters):
            self.seconds.append(passed)
            self.filters.append(filters().clone())
        return passed >= self.budget


def contests(inputs: Inputs, sides: Sequence[int]) -> Iterator[Contest]:
    """Paper 002's filters from CIFAR-10 and from larger pictures."""
    for learner, settings in CONTESTS.items():
        for side, number, held_out, budget, batch, step in settings:
            if side in sides:
                high = tikhonov_split(inputs.images(side)[: number + held_out])[1]
                yield _contest(learner, high[:number], high[number:], budget, batch, step)


def _contest(learner: str, images: Tensor, held_out: Tensor, budget: float, batch: int, step: float) -> Contest:
    patches = sample_patches(images, SIZE, 1, N_FILTERS, torch.Generator().manual_seed(0))
    start = normalize(patches, dim=1).view(N_FILTERS, -1, SIZE, SIZE)
    coder = partial(cbpdn, lmbda=LMBDA, tolerance=TOLERANCE)
    channels_last = np.ascontiguousarray(images.permute(2, 3, 1, 0).numpy())  # SPORCO's (H, W, C, N)
    runs: dict[str, Callable[[], Curve]]
    if learner == "online":
        name, rival = "OnlineConvolutionalDictionary", "SPORCO online"
        runs = {
            rival: lambda: by_sporco_online(channels_last, start, budget, step),
            name: lambda: online(images, start, coder, budget, batch),
        }
    else:
        name, rival = "ConsensusConvolutionalDictionary", "SPORCO consensus"
        runs = {
            rival: lambda: by_sporco_consensus(channels_last, start, budget),
            name: lambda: consensus(images, start, coder, budget),
        }

    def checks(results: dict[str, Curve]) -> dict[str, Check]:
        found = {"held-out objective at the start": Check(held_out_objective(start, held_out))}
        values = {
            run: [held_out_objective(filters, held_out) for filters in curve.filters] for run, curve in results.items()
        }
        for run, curve in results.items():
            for seconds, value in zip(curve.seconds, values[run], strict=True):
                found[f"held-out objective, {run}, {seconds:.1f} s"] = Check(value)
        excess = values[name][-1] / values[rival][-1] - 1
        found["excess of our held-out objective over SPORCO's"] = Check(excess, most=1e-3)
        reached = zip(results[name].seconds, values[name], strict=True)
        first = next((seconds for seconds, value in reached if value <= values[rival][-1]), math.inf)
        found["seconds until ours was first seen below SPORCO's last"] = Check(first)
        return found

    return Contest(
        path="learning",
        setting=f"64 filters 8x8x3, {len(images)} images {images.shape[-1]}x{images.shape[-2]}, {budget:g} s each",
        signals=len(images),
        runs=runs,
        goals=[Goal(name, rival, 0.0)],
        checks=checks,
        rounds=1,
    )


def held_out_objective(filters: Tensor, images: Tensor) -> float:
    """Mean over images that nobody learned from, of their objective with filters of norm 1."""
    filters = filters / filters.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]
    used = filters[filters.flatten(1).norm(dim=1) > 0]
    return objective(images, cbpdn(images, used, LMBDA, tolerance=1e-4).codes, used).mean().item()


def online(images: Tensor, start: Tensor, coder: Callable[..., Any], budget: float, batch: int) -> Curve:
    """Batch after batch, and again from the first one."""
    learner = OnlineConvolutionalDictionary(start, coder)
    curve = Curve(budget)
    for part in itertools.cycle(images.split(batch)):
        learner.step(part)
        if curve.keep(lambda: learner.filters):
            break
    return curve


def consensus(images: Tensor, start: Tensor, coder: Callable[..., Any], budget: float) -> Curve:
    """Pass after pass over all images."""
    curve = Curve(budget)
    learner = ConsensusConvolutionalDictionary(images, start, coder)
    while True:
        learner.step()
        if curve.keep(lambda: learner.filters):
            return curve


def by_sporco_online(images: np.ndarray, start: Tensor, budget: float, step: float) -> Curve:
    """Image after image, in an order of chance."""
    sporco.fft.pyfftw_threads = torch.get_num_threads()
    options = OnlineConvBPDNDictLearn.Options(ONLINE | {"eta_a": step})
    learner = OnlineConvBPDNDictLearn(as_sporco(start), LMBDA, options)
    generator = np.random.default_rng(0)
    curve = Curve(budget)
    while True:
        learner.solve(images[..., [generator.integers(images.shape[-1])]])
        if curve.keep(lambda: _of_sporco(learner.getdict())):
            return curve


def by_sporco_consensus(images: np.ndarray, start: Tensor, budget: float) -> Curve:
    """Iteration after iteration over all images."""
    sporco.fft.pyfftw_threads = torch.get_num_threads()
    curve = Curve(budget)
    options = {**CONSENSUS, "Callback": lambda learner: curve.keep(lambda: _of_sporco(learner.getdict()))}
    learner = ConvBPDNDictLearn(
        as_sporco(start), images, LMBDA, ConvBPDNDictLearn.Options(options, dmethod="cns"), dmethod="cns"
    )
    learner.solve()
    return curve


def _of_sporco(filters: np.ndarray) -> Tensor:
    """(h, w, C, 1, K) or without the 1 -> (K, C, h, w)."""
    stored = np.asarray(filters, np.float32).reshape(SIZE, SIZE, -1, filters.shape[-1])
    return torch.from_numpy(stored.transpose(3, 2, 0, 1).copy())
