"""What lies in a folder that `pack` filled, and how it is found again."""

import zipfile
from pathlib import Path

WHEELS = "wheels"
PICTURES = {"train": "train.tar.xz", "test": "test.tar.xz"}
WEIGHTS = "weights"


def unpack_wheels(packed: Path, site: Path) -> None:
    """Put the packages of a packed folder into another, for `sys.path`.

    Raises:
        FileNotFoundError: the folder holds no wheels.
    """
    wheels = sorted((packed / WHEELS).glob("*.whl"))
    if not wheels:
        raise FileNotFoundError(
            f"`--packed` must be a folder that pack.py filled, found no wheel in {packed / WHEELS}."
        )
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


def packed_weights(packed: Path | None) -> dict[str, Path]:
    """Weights of a `ResNet32` in a packed folder, by name."""
    return {} if packed is None else {path.stem: path for path in sorted((packed / WEIGHTS).glob("*.safetensors"))}
