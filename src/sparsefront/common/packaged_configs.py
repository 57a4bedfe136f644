"""The configuration files that come with the package, by the same names wherever it is installed."""

from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "lightning_configs"
"""Where they are: a link to the checkout's folder there, the folder itself in an installation from a wheel."""
_NAME = FOLDER.name


def packaged_names() -> list[str]:
    """Names of the packaged configuration files, such as `experiments/mnist5k_top_t.yaml`."""
    return sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml"))


def with_packaged(name: str, beside: Path | None = None) -> str:
    """The path of a packaged file by its name; what is there by that name already, or is no such name, as it is.

    Args:
        name: as the user wrote it, `experiments/mnist5k_top_t.yaml` or `lightning_configs/experiments/...`; settings
            that stand in the place of a file are no name.
        beside: a file that names it. If that one is no packaged file, `lightning_configs/` is first looked for in its
            folder and the one above: a copy of the configuration files (`sparsefront configs copy`) is a whole,
            whatever its folder is called.
    """
    path = Path(name)
    if path.is_absolute() or path.suffix not in (".yaml", ".yml") or name.startswith("~"):
        return name
    is_of_the_package = path.parts[0] == _NAME
    parts = path.parts[1:] if is_of_the_package else path.parts
    if ".." in parts:
        return name
    copied = _copied(parts, beside)
    if Path(name).exists() and not (is_of_the_package and copied):
        return name
    located = copied or FOLDER.joinpath(*parts)
    return str(located) if located.is_file() else name


def _copied(parts: Sequence[str], beside: Path | None) -> Path | None:
    """The file in the copy of the configuration files that another is in, None if there is none."""
    if beside is None or beside.resolve().is_relative_to(FOLDER.resolve()):
        return None
    places = (folder.joinpath(*parts) for folder in beside.absolute().parents[:2])
    return next((place for place in places if place.is_file()), None)
