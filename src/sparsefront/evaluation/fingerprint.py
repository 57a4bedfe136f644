"""What must be the same for rows of one evaluation to be rows of another."""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sparsefront.common.checkpoints.run_folder import find_checkpoint, has_checkpoint
from sparsefront.common.plain_parts import plain_parts
from sparsefront.model.defended import DefendedClassifier

# What every module has says nothing of one, and neither does what is left of a front end's learning.
_COMMON = frozenset(vars(nn.Module())) | frozenset(vars(pl.LightningModule())) | {"_hparams", "learning_step"}
_FILES = ("checkpoint", "folder")  # settings that name what an attack reads; a run's folder stands for its weights


def fingerprint(model: DefendedClassifier, attacks: Iterable[Mapping[str, Any]], **settings: Any) -> dict[str, Any]:
    """Digests of the front end with the classifier and of the files that attacks read; attacks; other settings."""
    parts = {"frontend": described(model.frontend), "classifier": described(model.classifier)}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    entries = [{key: entry[key] for key in ("name", "attack", "view", "target")} for entry in attacks]
    files = {path: _file_digest(_meant(Path(path))) for path in sorted(set(paths(entries)))}
    as_json: dict[str, Any] = json.loads(
        json.dumps({"model": digest, "attacks": entries, "files": files, **settings}, default=str)
    )
    return as_json


def image_numbers(images: Tensor) -> Tensor:
    """A number (B,) for the content of each image (B, C, H, W), 48 bits of a digest."""
    numbers = [int.from_bytes(hashlib.sha256(_bytes(image)).digest()[:6], "big") for image in images]
    return torch.tensor(numbers, dtype=torch.int64)


def described(value: Any) -> Any:
    """A part in plain values, the same in every process: its class, its settings, its tensors by digest."""
    return _described(value, set())


def _described(value: Any, met: set[int]) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Tensor | np.ndarray):
        tensor = torch.as_tensor(value)
        return [str(tensor.dtype), list(tensor.shape), hashlib.sha256(_bytes(tensor)).hexdigest()]
    if isinstance(value, Mapping):
        return {str(key): _described(item, met) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_described(item, met) for item in value]
    if isinstance(value, functools.partial):
        return [_described(item, met) for item in (value.func, value.args, value.keywords)]
    if isinstance(value, torch.dtype | np.generic | PurePath):
        return str(value)
    kind = value if hasattr(value, "__qualname__") else type(value)  # a function or class, or an object of one
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind is value or id(value) in met:
        return name
    met.add(id(value))
    return {"class": name, **{key: _described(item, met) for key, item in _attributes(value).items()}}


def _attributes(value: Any) -> dict[str, Any]:
    attributes = dict(vars(value)) if hasattr(value, "__dict__") else {}
    if isinstance(value, nn.Module):
        tensors = {**dict(value.named_parameters(recurse=False)), **dict(value.named_buffers(recurse=False))}
        attributes |= tensors | dict(value.named_children())
    return {key: item for key, item in attributes.items() if key not in _COMMON and item is not None}


def _bytes(tensor: Tensor) -> bytes:
    arrays = (array.cpu().contiguous().view(-1).view(torch.uint8) for array in plain_parts(tensor.detach()))
    return b"".join(array.numpy().tobytes() for array in arrays)


def paths(settings: Any, names: Sequence[str] = _FILES) -> Iterator[str]:
    """What attacks and views, whatever they are wrapped in, read from; by settings of these names."""
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            read_from = [value] if isinstance(value, str) else value
            names_files = key in names and isinstance(read_from, list)
            yield from (str(path) for path in read_from) if names_files else paths(value, names)
    elif isinstance(settings, list):
        for value in settings:
            yield from paths(value, names)


def _meant(path: Path) -> Path:
    """Of a run's folder its newest checkpoint: what else happens in there is no matter of these rows."""
    return find_checkpoint(path, "checkpoint").path if path.is_dir() and has_checkpoint(path) else path


def _file_digest(path: Path) -> str:
    """Of one file, or of all those in a folder with their names; of nothing where there is none."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.name.encode())
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
