"""Which checkpoint a version of a run goes on from, or tests."""

import json
from pathlib import Path

from sparsefront.common.checkpoints.checkpoint import Checkpoint

TAKEN = "weights.json"


def note_taken(folder: Path, found: Checkpoint) -> str:
    """The text of `weights.json` in a version's folder: which checkpoint it goes on from, or tests."""
    path = shown_from(found.path, folder.parent)
    return json.dumps({"path": path, "epoch": found.epoch, "step": found.step, "sha256": found.digest}, indent=1)


def shown_from(path: Path, run_dir: Path) -> str:
    """A path relative to the run's folder where it lies in it, which may be moved; else as it was given."""
    inside = path.resolve().is_relative_to(run_dir.resolve())
    return (path.resolve().relative_to(run_dir.resolve()) if inside else path).as_posix()


def taken_weights(folder: Path, setting: str) -> Checkpoint:
    """What a version that has no checkpoints of its own has taken its weights from."""
    note = folder / TAKEN
    try:
        record = json.loads(note.read_text(encoding="utf-8"))
        path, digest = str(record["path"]), record["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{note} must say where weights are from, found {error!r}; name a checkpoint.") from None
    file = next((file for file in (folder.parent / path, Path(path)) if file.is_file()), None)
    if file is None or (found := Checkpoint.at(file)).digest != digest:
        what = "nothing" if file is None else "another file"
        raise ValueError(f"`{setting}` last means what {note} names, {path}, found {what} there; name a checkpoint.")
    return found
