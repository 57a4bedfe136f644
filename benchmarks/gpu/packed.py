"""What lies in a folder that `pack` filled, and how it is found again."""

import hashlib
import tempfile
import zipfile
from pathlib import Path

WHEELS = "wheels"
PICTURES = {"train": "train.tar.xz", "test": "test.tar.xz"}
WEIGHTS = "weights"


def unpacked_wheels(packed: Path) -> Path:
    """A folder with the packages of a packed folder, for `sys.path`; unpacked once a machine.

    Raises:
        FileNotFoundError: the folder holds no wheels.
    """
    wheels = sorted((packed / WHEELS).glob("*.whl"))
    if not wheels:
        raise FileNotFoundError(
            f"`--packed` must be a folder that pack.py filled, found no wheel in {packed / WHEELS}."
        )
    known = hashlib.sha256("".join(f"{wheel.name} {wheel.stat().st_size}" for wheel in wheels).encode()).hexdigest()
    site = Path(tempfile.gettempdir()) / f"sparsefront-gpu-{known[:12]}"
    whole = site / ".whole"
    if not whole.exists():
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
        whole.touch()
    return site


def packed_weights(packed: Path | None) -> dict[str, Path]:
    """Weights of a `ResNet32` in a packed folder, by name."""
    return {} if packed is None else {path.stem: path for path in sorted((packed / WEIGHTS).glob("*.safetensors"))}
