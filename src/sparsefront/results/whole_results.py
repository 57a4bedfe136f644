"""Whether the files of an evaluation were written together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sparsefront.results.evaluation_record import EvaluationRecord
from sparsefront.results.samples import SIGN, SOURCE, Samples

MEND = "evaluate again into an empty folder"
SIZES = ("linf", "l2", "l1")
FURTHEST = 1e9  # of two images in any norm
LABELS = 2**31  # as many classes, samples or predictions as there can be


def check_whole(path: Path, samples: Samples, record: EvaluationRecord) -> None:
    """Raise a ValueError unless the samples are what the record promises, nothing left blank or impossible.

    Args:
        path: of the samples.
        samples: its rows.
        record: what was run.
    """
    columns, attacks = samples.columns, record.attacks
    other = f"{path.name.removesuffix('_samples.csv')}_attacks.json"
    completed = [attack.name for attack in attacks if attack.error is None]
    whole = ["index", "label", "clean_pred", *(f"{name}/{key}" for name in completed for key in ("pred", "success"))]
    sizes = [f"{name}/{norm}" for name in completed for norm in ("linf", "l2")]
    balls = {attack.ball for attack in attacks if attack.error is None and attack.ball}
    if len(balls) > 1:  # then all are asked what they found inside each
        sizes += [f"{a.name}/{ball.norm.lower()}" for a in attacks if a.error is None for ball in balls]
    if absent := [name for name in dict.fromkeys([*whole, *sizes]) if name not in columns]:
        raise ValueError(f"{path} must have the columns {absent}, which {other} promises, found none; {MEND}.")
    count, promised = len(samples), record.provenance.get("n_samples")
    if count == 0 or count != (count if promised is None else promised):
        raise ValueError(f"{path} must have {promised or 'some'} rows, found {count}, unlike {other}; {MEND}.")
    if blank := [name for name in whole if np.isnan(columns[name]).any()]:
        raise ValueError(f"{path} must have no empty cell in {blank}, for no error was noted, found some; {MEND}.")
    _check_values(path, samples, completed)


def _check_values(path: Path, samples: Samples, completed: Sequence[str]) -> None:
    """Counts that are whole, verdicts that are 0 or 1, of samples that can have fallen, and sizes that are sizes."""
    columns, correct = samples.columns, samples.correct()
    for name in ["index", "label", "clean_pred", *(f"{attack}/pred" for attack in completed)]:
        wrong = (columns[name] != np.floor(columns[name])) | (np.abs(columns[name]) > LABELS)
        _refuse(path, name, columns[name], wrong, "whole numbers")
    index = columns["index"]
    repeated = ~np.isin(np.arange(len(index)), np.unique(index, return_index=True)[1])
    _refuse(path, "index", index, repeated, "each sample once")
    for name in [f"{attack}/success" for attack in completed]:
        _refuse(path, name, columns[name], ~np.isin(columns[name], (0, 1)), "0 or 1")
        _refuse(path, name, columns[name], (columns[name] == 1) & ~correct, "0 where the clean image was wrong")
    if "fell" in columns:
        _refuse(path, "fell", columns["fell"], ~np.isin(columns["fell"], (0, 1)), "0 or 1")
    for name in [name for name in columns if name.startswith(SIGN) or name.endswith(f"/{SOURCE}")]:
        wrong = ~np.isnan(columns[name]) & ~np.isin(columns[name], (0, 1))
        _refuse(path, name, columns[name], wrong, "0, 1 or nothing")
    for name in [name for name in columns if name.rpartition("/")[2] in SIZES]:
        wrong = ~np.isnan(columns[name]) & ~((columns[name] >= 0) & (columns[name] <= FURTHEST))
        _refuse(path, name, columns[name], wrong, "sizes of at least 0")
    for name in [f"{attack}/{norm}" for attack in completed for norm in ("linf", "l2")]:
        fallen = samples.success(name.rpartition("/")[0])
        _refuse(path, name, columns[name], fallen & np.isnan(columns[name]), "a size wherever an attack succeeded")
    for name in [name for name in columns if name.endswith(("psnr", "ssim"))]:
        wrong = np.abs(np.nan_to_num(columns[name], posinf=np.inf, neginf=-np.inf)) > FURTHEST
        _refuse(path, name, columns[name], wrong, "finite qualities")


def _refuse(path: Path, name: str, column: np.ndarray, wrong: np.ndarray, rule: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong))
        value = f"{column[place]:g} in row {place + 1}"
        raise ValueError(f"{path} must have {rule} in the column {name!r}, found {value}; {MEND}.")
