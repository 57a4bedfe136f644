"""Whether the files of an evaluation were written together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.result_files import Columns

MEND = "evaluate again into an empty folder"
SIZES = ("linf", "l2", "l1")
FURTHEST = 1e9  # of two images in any norm
LABELS = 2**31  # as many classes, samples or predictions as there can be


def check_names(path: Path, attacks: Sequence[AttackRecord]) -> None:
    """Raise a ValueError unless each attack has a name of its own."""
    names = [attack.name for attack in attacks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{path}: `attacks` must have names of their own, found {twice} more than once; {MEND}.")


def check_whole(path: Path, samples: Columns, attacks: Sequence[AttackRecord], about: Mapping[str, Any]) -> None:
    """Raise a ValueError unless the samples are what the attacks' file promises, nothing left blank or impossible.

    Args:
        path: of the samples.
        samples: its columns.
        attacks: what the attacks' file says was run.
        about: the attacks' file.
    """
    other = f"{path.name.removesuffix('_samples.csv')}_attacks.json"
    completed = [attack.name for attack in attacks if attack.error is None]
    whole = ["index", "label", "clean_pred", *(f"{name}/{key}" for name in completed for key in ("pred", "success"))]
    sizes = [f"{name}/{norm}" for name in completed for norm in ("linf", "l2")]
    balls = {attack.ball for attack in attacks if attack.error is None and attack.ball}
    if len(balls) > 1:  # then all are asked what they found inside each
        sizes += [f"{a.name}/{norm.lower()}" for a in attacks if a.error is None for norm, _ in balls]
    if absent := [name for name in dict.fromkeys([*whole, *sizes]) if name not in samples]:
        raise ValueError(f"{path} must have the columns {absent}, which {other} promises, found none; {MEND}.")
    count, promised = len(samples["label"]), about.get("n_samples")
    if count == 0 or count != (count if promised is None else promised):
        raise ValueError(f"{path} must have {promised or 'some'} rows, found {count}, unlike {other}; {MEND}.")
    if blank := [name for name in whole if np.isnan(samples[name]).any()]:
        raise ValueError(f"{path} must have no empty cell in {blank}, for no error was noted, found some; {MEND}.")
    _check_values(path, samples, completed)


def _check_values(path: Path, samples: Columns, completed: Sequence[str]) -> None:
    """Counts that are whole, verdicts that are 0 or 1, of samples that can have fallen, and sizes that are sizes."""
    for name in ["index", "label", "clean_pred", *(f"{attack}/pred" for attack in completed)]:
        wrong = (samples[name] != np.floor(samples[name])) | (np.abs(samples[name]) > LABELS)
        _refuse(path, name, samples[name], wrong, "whole numbers")
    index = samples["index"]
    repeated = ~np.isin(np.arange(len(index)), np.unique(index, return_index=True)[1])
    _refuse(path, "index", index, repeated, "each sample once")
    right = samples["clean_pred"] == samples["label"]
    for name in [f"{attack}/success" for attack in completed]:
        _refuse(path, name, samples[name], ~np.isin(samples[name], (0, 1)), "0 or 1")
        _refuse(path, name, samples[name], (samples[name] == 1) & ~right, "0 where the clean image was wrong")
    if "fell" in samples:
        _refuse(path, "fell", samples["fell"], ~np.isin(samples["fell"], (0, 1)), "0 or 1")
    for name in [name for name in samples if name.rpartition("/")[2] in SIZES]:
        wrong = ~np.isnan(samples[name]) & ~((samples[name] >= 0) & (samples[name] <= FURTHEST))
        _refuse(path, name, samples[name], wrong, "sizes of at least 0")
    for name in [f"{attack}/{norm}" for attack in completed for norm in ("linf", "l2")]:
        fell = samples[f"{name.rpartition('/')[0]}/success"] == 1
        _refuse(path, name, samples[name], fell & np.isnan(samples[name]), "a size wherever an attack succeeded")
    for name in [name for name in samples if name.endswith(("psnr", "ssim"))]:
        wrong = np.abs(np.nan_to_num(samples[name], posinf=np.inf, neginf=-np.inf)) > FURTHEST
        _refuse(path, name, samples[name], wrong, "finite qualities")


def _refuse(path: Path, name: str, column: np.ndarray, wrong: np.ndarray, rule: str) -> None:
    if wrong.any():
        place = int(np.argmax(wrong))
        found = f"{column[place]:g} in row {place + 1}"
        raise ValueError(f"{path} must have {rule} in the column {name!r}, found {found}; {MEND}.")
