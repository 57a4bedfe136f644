"""What must be the same for rows of one evaluation to be rows of another."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsefront.common.checkpoints.run_folder import find_checkpoint, has_checkpoint
from sparsefront.model.defended import DefendedClassifier
from sparsefront.model.described import described

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
