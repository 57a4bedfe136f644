"""The numbers that loggers get of an evaluation."""

from collections.abc import Collection

import numpy as np
import torch

from sparsefront.results.samples import QUALITIES, Samples


def logged_metrics(samples: Samples, in_worst_case: Collection[str]) -> dict[str, float]:
    """Accuracies as shares of all samples, and `linf/`, `l2/`, `psnr/`, `ssim/` as means, by their names in a log.

    The sizes `linf/` and `l2/` are over the samples for which an attack reached its goal, and `success/` is the share
    of those that were right that these are. An attack that met no sample, because none of those right was left for it,
    has neither `robust_acc/` nor these.

    Args:
        samples: at least one row.
        in_worst_case: names of the attacks that enter `robust_acc/worst`, which is absent if none of them is here.
    """
    correct = samples.correct()
    metrics = {"clean_acc": _share(correct), "clean_acc/n": float(len(samples))}
    met = [name for name in samples.attacks if not correct.any() or samples.attacked(name).any()]
    metrics |= {f"robust_acc/{attack}": _share(samples.correct(attack)) for attack in met}
    if correct.any():
        metrics |= {f"success/{attack}": _share(samples.success(attack)[correct]) for attack in met}
    if entering := [attack for attack in samples.attacks if attack in in_worst_case]:
        metrics["robust_acc/worst"] = _share(samples.worst(entering))
    return metrics | _sizes(samples) | _qualities(samples)


def _sizes(samples: Samples) -> dict[str, float]:
    """Mean sizes of the perturbations that succeeded; absent where none did."""
    means = {
        f"{norm}/{attack}": torch.from_numpy(samples.columns[f"{attack}/{norm}"][samples.success(attack)]).mean().item()
        for attack in samples.attacks
        for norm in ("linf", "l2")
    }
    return {name: mean for name, mean in means.items() if mean == mean}


def _qualities(samples: Samples) -> dict[str, float]:
    """Mean qualities of what the classifier sees; absent where they were not measured."""
    means = {}
    for name in QUALITIES:
        columns = {"clean": f"clean_{name}"} | {attack: f"{attack}/{name}" for attack in samples.attacks}
        for key, column in columns.items():
            if column in samples.columns:
                means[f"{name}/{key}"] = torch.from_numpy(samples.columns[column]).nanmean().item()
    return {name: mean for name, mean in means.items() if mean == mean}


def _share(flags: np.ndarray) -> float:
    return float(flags.mean(dtype=np.float64))
