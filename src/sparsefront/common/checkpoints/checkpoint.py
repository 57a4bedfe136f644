"""One checkpoint file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsefront.common.checkpoints.checkpoint_file import load
from sparsefront.common.file_digest import file_digest

RUN = "sparsefront"
"""Where a checkpoint keeps what this project says of its run, in plain values."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file.

    Attributes:
        path: of the file.
        epoch: in which it was written, counted from 0; None for a file that does not say.
        step: optimizer steps until then; None likewise.
        digest: SHA-256 of the file, hexadecimal.
        ended: whether the fit that wrote it had come to its end.
    """

    path: Path
    epoch: int | None
    step: int | None
    digest: str
    ended: bool = False

    @classmethod
    def at(cls, path: Path) -> "Checkpoint":
        """Make the description of a file, whether it is a whole checkpoint or not."""
        content = content_of(path) or {}
        digest = file_digest(path)
        run = content.get(RUN)
        ended = isinstance(run, dict) and run.get("ended") is True
        return cls(path, number_in(content, "epoch"), number_in(content, "global_step"), digest, ended)

    def __str__(self) -> str:
        """Path, epoch, step and the beginning of the digest."""
        at = "" if self.step is None else f"epoch {self.epoch}, step {self.step}, "
        return f"{self.path} ({at}sha256 {self.digest[:12]})"


def content_of(path: Path) -> dict[str, Any] | None:
    """What the file holds; None if it cannot be read as a checkpoint, or an older one's weights."""
    try:
        content = load(path)
        return dict(content) if "state_dict" in content else {}
    except Exception:
        return None


def number_in(content: dict[str, Any], name: str) -> int | None:
    """A whole number among what a checkpoint holds; None where it says none."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
