"""The configuration files that come with the package, by the same names wherever it is installed."""

from pathlib import Path

from sparsefront.common.home import at_home

FOLDER = Path(__file__).parents[1] / "lightning_configs"
"""Where they are: a link to the checkout's folder there, the folder itself in an installation from a wheel."""
_NAME = FOLDER.name


def packaged_names() -> list[str]:
    """Names of the packaged configuration files, such as `experiments/mnist5k_top_t.yaml`."""
    return sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml"))


def with_packaged(name: str) -> str:
    """The path of a packaged file by its name; what is there by that name already, or is no such name, as it is.

    Args:
        name: as the user wrote it, `experiments/mnist5k_top_t.yaml` or `lightning_configs/experiments/...`; settings
            that stand in the place of a file are no name.
    """
    path = Path(name)
    if (
        path.is_absolute()
        or path.suffix not in (".yaml", ".yml")
        or name.startswith("~")
        or Path(at_home(name)).exists()
    ):
        return name
    parts = path.parts[1:] if path.parts[0] == _NAME else path.parts
    packaged = FOLDER.joinpath(*parts)
    return str(packaged) if ".." not in parts and packaged.is_file() else name
