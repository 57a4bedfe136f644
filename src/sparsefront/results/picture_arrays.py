"""Whether arrays are what pictures are drawn of."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def check_pictures(path: Path, arrays: Mapping[str, np.ndarray], mend: str, start: str = "") -> None:
    """Raise a ValueError unless arrays are images (N, C, H, W) with labels and predictions (N,), or atoms.

    Args:
        path: of the file.
        arrays: `clean`, `label`, `clean_pred`; `adv/NAME` with `pred/NAME`; `through/NAME`; `atoms`. Without `clean`,
            none of the others.
        mend: what to do, the end of a sentence.
        start: of the names in the file, which a refusal names.
    """
    drawn = {name: array for name, array in arrays.items() if name.split("/")[0] in ("clean", "adv", "through")}
    for name, array in (drawn | {name: arrays[name] for name in arrays if name == "atoms"}).items():
        if array.ndim != 4 or not array.size or not np.isfinite(array).all():
            raise ValueError(
                f"{path} must have finite pictures (N, C, H, W) under `{start}{name}`, found {array.dtype} "
                f"{array.shape}; {mend}."
            )
    attacks = [name.removeprefix("adv/") for name in drawn if name.startswith("adv/")]
    numbers = ["label", "clean_pred", *(f"pred/{name}" for name in attacks)]
    if not drawn:
        return
    if absent := [f"{start}{name}" for name in ("clean", *numbers) if name not in arrays]:
        raise ValueError(f"{path} must have the arrays {absent}, found none; {mend}.")
    shape = arrays["clean"].shape
    for name in [*drawn, *numbers]:
        wanted = (
            (shape[0],) if name in numbers else shape if name.startswith("adv/") else (shape[0], *drawn[name].shape[1:])
        )
        if arrays[name].shape != wanted or (name in numbers and not np.isfinite(arrays[name]).all()):
            raise ValueError(f"{path} must have {wanted} under `{start}{name}`, found {arrays[name].shape}; {mend}.")
