"""Weights of networks that are being trained, and of those that are."""

import json
from collections.abc import Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sparsefront.common.atomic_file import atomic_file

TRAINED = "{}.safetensors"
VELOCITIES = "{}.velocities.safetensors"  # apart: the files of results are smaller that way


def save(folder: Path, name: str, model: nn.Module, velocities: Sequence[Tensor], epoch: int, epochs: int) -> None:
    """Write a model after an epoch of so many; after the last its optimizer's velocities are gone."""
    known = {"training": json.dumps({"epoch": epoch, "of": epochs})}
    path = folder / VELOCITIES.format(name)
    if epoch < epochs:
        _write(path, {str(place): tensor for place, tensor in enumerate(velocities)}, known)
    _write(folder / TRAINED.format(name), dict(model.state_dict()), known)
    if epoch == epochs:
        path.unlink(missing_ok=True)


def reached(folder: Path, name: str) -> int | None:
    """The epoch after which `save` wrote what can be gone on from; None where there is nothing whole."""
    known = _known(folder / TRAINED.format(name))
    if known is None or known["epoch"] == known["of"] or known == _known(folder / VELOCITIES.format(name)):
        return None if known is None else known["epoch"]
    return None


def is_trained(folder: Path, name: str) -> bool:
    """Whether the weights after the last epoch are there."""
    known = _known(folder / TRAINED.format(name))
    return known is not None and known["epoch"] == known["of"]


def load_model(folder: Path, name: str, model: nn.Module) -> None:
    """Take over a model's weights, in place."""
    model.load_state_dict(load_file(folder / TRAINED.format(name)))


def load_velocities(folder: Path, name: str, velocities: Sequence[Tensor]) -> None:
    """Take over an optimizer's velocities, in place, if there are any."""
    path = folder / VELOCITIES.format(name)
    for place, tensor in load_file(path).items() if path.exists() else ():
        velocities[int(place)].copy_(tensor)


def _write(path: Path, tensors: dict[str, Tensor], known: dict[str, str]) -> None:
    with atomic_file(path) as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, temporary, known)


def _known(path: Path) -> dict[str, int] | None:
    if not path.exists():
        return None
    with safe_open(path, "pt") as file:
        known: dict[str, int] = json.loads(file.metadata()["training"])
    return known
