"""Ours and rivals on the same input, alternated in one process."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm


@dataclass(frozen=True)
class Goal:
    """`ours` shall be `ratio` times as fast as `rival`."""

    ours: str
    rival: str
    ratio: float


@dataclass(frozen=True)
class Check:
    """A quality that a ratio is worth nothing without."""

    value: float
    least: float = -torch.inf
    most: float = torch.inf

    @property
    def met(self) -> bool:
        """Whether the value lies within its bounds."""
        return self.least <= self.value <= self.most


@dataclass(frozen=True)
class Contest:
    """One input and what is run on it.

    Attributes:
        path: what is measured, e.g. `omp`.
        setting: its sizes in words.
        signals: coded in one run.
        runs: the callables by name; each is called with nothing and returns what `checks` reads.
        goals: ratios asked for.
        checks: qualities by name, from the runs' results by name.
        flops: least floating-point operations of one run, for the distance from the arithmetic floor; or called for
            them after the runs.
        rounds: alternations; the medians count.
        unit: what a signal is, where the table shall say how many of them a second.
    """

    path: str
    setting: str
    signals: int
    runs: dict[str, Callable[[], Any]]
    goals: Sequence[Goal] = ()
    checks: Callable[[dict[str, Any]], dict[str, Check]] = field(default=lambda _results: {})
    flops: float | Callable[[], float] = 0.0
    rounds: int = 5
    unit: str = ""


def hold(contest: Contest, flops_per_second: float) -> dict[str, Any]:
    """Run everything once to warm up and to check, then alternate; return what goes into the results file.

    Of a contest of one round the first run counts: what takes minutes needs no warming up.
    """
    results, seconds = {}, {}
    for name, run in contest.runs.items():
        start = time.perf_counter()
        results[name] = run()
        seconds[name] = [time.perf_counter() - start]
    checks = contest.checks(results)
    if contest.rounds > 1:
        seconds = {name: [] for name in contest.runs}
        results.clear()  # memory that is held is memory that a run has to ask for anew
        gc.collect()
        for _ in tqdm(range(contest.rounds), desc=f"{contest.path} {contest.setting}", leave=False):
            for name, run in contest.runs.items():
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "path": contest.path,
        "setting": contest.setting,
        "signals": contest.signals,
        **({"unit": contest.unit} if contest.unit else {}),
        "rounds": contest.rounds,
        "seconds": medians,
        "spread": {name: max(times) / min(times) for name, times in seconds.items()},
        "floor_seconds": (contest.flops() if callable(contest.flops) else contest.flops) / flops_per_second,
        "ratios": [
            {
                "ours": goal.ours,
                "rival": goal.rival,
                "ratio": medians[goal.rival] / medians[goal.ours],
                "goal": goal.ratio,
            }
            for goal in contest.goals
        ],
        "checks": {name: vars(check) | {"met": check.met} for name, check in checks.items()},
    }


def flops_rate() -> float:
    """Floating-point operations a second of this machine's threads in single precision, one after the other.

    Of a large matrix product or of a convolution, whichever is faster: torch leaves them to two libraries.
    """
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    maps, filters = torch.rand(50, 64, 16, 16), torch.rand(64, 64, 3, 3)
    maps, filters = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (maps, filters))
    product, convolution = 2 * a.numel() * len(b), 2 * maps.numel() * filters[0].numel()
    return max(
        product / min(_times(lambda: a @ b, 5)),
        convolution / min(_times(lambda: torch.conv2d(maps, filters, padding=1), 50)),
    )


def _times(run: Callable[[], Any], number: int) -> list[float]:
    times = []
    for _ in range(number):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times
