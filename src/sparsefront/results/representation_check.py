"""Whether the two files of a representation record belong together and are what tables and figures expect."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.entry import LARGEST, Entry
from sparsefront.results.picture_arrays import check_pictures

ORIGINAL = "original"  # name beside those of variants


def check_representations(provenance: Entry, path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError unless `provenance` and the arrays are one evaluation's.

    Args:
        provenance: `results/<stage>_representations.json`.
        path: of the arrays.
        arrays: `results/<stage>_representations.npz`.
    """
    mend = provenance.mend
    names = [ORIGINAL, *(AttackRecord.read(entry).name for entry in provenance.at("variants").parts())]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{provenance.path}: `variants` must have names of their own, found {twice} twice; {mend}.")
    classes = [name.text() for name in provenance.at("class_names").parts()]
    if provenance.at("positive").count() >= len(classes):
        provenance.at("positive").refuse(f"one of the {len(classes)} classes, numbered from 0")
    for key in ("difference", "deviation"):
        provenance.at(key).text()
    for name, found in provenance.at("distance").mapping().items():
        is_number = isinstance(found, int | float) and not isinstance(found, bool)  # NaN where nothing varies
        if not is_number or (isinstance(found, int) and abs(found) > LARGEST):
            provenance.at("distance").at(name).refuse("a number")
    count = provenance.at("n_samples").count(1)
    needed = ["index", "label", "weight", *(f"{part}/{name}" for name in names for part in ("pred", "hidden"))]
    if absent := [name for name in needed if name not in arrays]:
        raise ValueError(f"{path} must have the arrays {absent}, found none; {mend}.")
    if arrays["label"].ndim != 1 or len(arrays["label"]) != count:
        raise ValueError(f"{path} must have {count} samples, found {len(np.atleast_1d(arrays['label']))}; {mend}.")
    neurons = arrays["weight"].size
    shapes = {name: (count, neurons) if name.startswith("hidden/") else (count,) for name in needed}
    shapes["weight"] = (neurons,)
    if "training/images" in arrays:
        shapes |= {"training/images": (len(classes),)}
        shapes |= {f"training/{part}": (len(classes), neurons) for part in ("mean", "deviation")}
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            found = f"{arrays[name].dtype} {arrays[name].shape}" if name in arrays else "none"
            raise ValueError(f"{path} must have finite numbers {shape} under `{name}`, found {found}; {mend}.")
    if provenance.at("neuron").count() >= neurons:
        provenance.at("neuron").refuse(f"one of {neurons} neurons, numbered from 0")
    start = "picture/"
    pictures = {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}
    check_pictures(path, pictures, mend, start)
