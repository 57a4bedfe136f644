"""The folders `version_N` of a run."""

from pathlib import Path

from sparsefront.common.home import at_home

_PREFIX = "version_"


def version_folder(run_dir: Path, number: int) -> Path:
    """The folder of the version of a number."""
    return run_dir / f"{_PREFIX}{number}"


def version_number(folder: Path) -> int | None:
    """The number in the name of a version's folder; None for a folder of another name."""
    text = folder.name.removeprefix(_PREFIX)
    return int(text) if folder.name.startswith(_PREFIX) and text.isascii() and text.isdecimal() else None


def versions_of(run_dir: str | Path) -> list[Path]:
    """The folders `version_N` of a run, the highest number first."""
    numbers = {path: version_number(path) for path in at_home(Path(run_dir)).glob(f"{_PREFIX}*") if path.is_dir()}
    numbered = {path: number for path, number in numbers.items() if number is not None}
    return sorted(numbered, key=lambda path: numbered[path], reverse=True)
