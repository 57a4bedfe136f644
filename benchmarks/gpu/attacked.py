"""A trained network under the project's own attacks, judged by the project's own evaluation."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch

from benchmarks.gpu.pictures import Pictures
from sparsefront import DefendedClassifier
from sparsefront.attacks import APGD, PGD, AutoAttack, NamedAttack, Square, WhiteBox
from sparsefront.common.frozen_model import frozen_model
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.cost import Cost

CHUNK = 500  # images, after which what was found is kept


def attacks(toy: bool, front_end: bool) -> list[NamedAttack]:
    """Paper 001's adversaries, in the order of their worth; the sizes of the balls are the paper's.

    Args:
        toy: few steps, restarts and queries.
        front_end: whether there is one, whose gradient may also be passed by unchanged.
    """
    steps, restarts, queries = (2, 1, 5) if toy else (40, 10, 5000)
    pgd = partial(PGD, steps=steps, n_restarts=restarts, early_stop=True)
    linf = pgd(norm="Linf", eps="8/255", step_size="1/255")
    passing = [NamedAttack("pgd_linf_identity", linf, WhiteBox(backward="identity"))] if front_end else []
    return [
        NamedAttack("pgd_linf", linf),
        *passing,
        NamedAttack("apgd", APGD(eps="8/255", steps=4 if toy else 100, early_stop=True)),
        NamedAttack("square", Square(eps="8/255", n_queries=queries)),
        NamedAttack("pgd_l2", pgd(norm="L2", eps=0.6, step_size=0.075)),
        NamedAttack("pgd_l1", pgd(norm="L1", eps=30, step_size=3.75)),
    ]


def auto_attack(toy: bool) -> NamedAttack:
    """AutoAttack's standard version in the Linf ball of 8/255; of a toy, its first attack alone."""
    return NamedAttack("auto_attack", APGD(eps="8/255", steps=4, early_stop=True) if toy else AutoAttack(eps="8/255"))


def evaluate(
    model: DefendedClassifier,
    named: NamedAttack,
    pictures: Pictures,
    entry: dict[str, Any],
    keep: Callable[[], None],
    chunk: int = CHUNK,
) -> None:
    """Run an attack on pictures, chunk by chunk, and judge what it returns by the plain network.

    Args:
        model: in evaluation mode, on a device.
        named: the attack.
        pictures: on the CPU.
        entry: filled: `clean` and `predictions`, a digit a picture, the class on it and on what the attack made of it;
            `clean_acc` and `robust_acc` over all pictures in percent; the record of the attack and what it cost. What
            an interrupted call left in it is gone on from.
        keep: called after each chunk.
        chunk: pictures.

    Raises:
        RuntimeError: the attack failed.
    """
    device = next(model.parameters()).device
    clean, found = entry.setdefault("clean", ""), entry.setdefault("predictions", "")
    before = Cost(**entry["cost"]) if "cost" in entry else Cost()
    with frozen_model(model):
        run = AttackRun(model, [named], training_images=_none)
        for first in range(len(found), len(pictures.images), chunk):
            some = slice(first, first + chunk)
            indices = torch.arange(len(pictures.images))[some].to(device)
            images = pictures.images[some].to(device).float() / 255
            samples = run.attack(Batch(images, pictures.labels[some].to(device), indices))
            if run.errors:
                raise RuntimeError(run.errors[named.name])
            clean += _digits(samples.columns["clean_pred"])
            found += _digits(samples.columns[f"{named.name}/pred"])
            cost = before.plus(run.costs[named.name])
            entry |= {"clean": clean, "predictions": found, "cost": asdict(cost)} | run.prepared.facts
            keep()
    labels = labels_of(pictures)
    record = AttackRecord.of(named, model.frontend.default_backward, Cost(**entry.pop("cost")))
    entry |= {
        "pictures": pictures.source,
        "n_samples": len(labels),
        "clean_acc": percent([clean], labels),
        "robust_acc": percent([clean, found], labels),
        "record": record.written(),
    }


def percent(predictions: list[str], labels: str) -> float:
    """The share of the pictures whose digit is right in each of some strings."""
    right = [all(one[place] == label for one in predictions) for place, label in enumerate(labels)]
    return round(100 * sum(right) / len(right), 2)


def labels_of(pictures: Pictures) -> str:
    """A digit a picture."""
    return _digits(pictures.labels.numpy())


def _digits(classes: np.ndarray) -> str:
    return "".join(str(int(one)) if one >= 0 else "x" for one in classes)


def _none(_number: int) -> NoReturn:
    raise RuntimeError("none of these attacks is fitted")
