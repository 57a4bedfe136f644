"""Where results come from: device, versions, command and commit."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.options import Options
from benchmarks.record import processor

ROOT = Path(__file__).parents[2]
PACKAGES = ("torch", "triton", "torchvision", "pytorch-lightning", "numba", "numpy", "timm")


def where_from(options: Options, name: str) -> dict[str, Any]:
    """Facts of a part's file; the last two arguments of its process are when it is stopped."""
    return {
        "part": name,
        "command": shlex.join(["python", "benchmarks/gpu/run_all.py", *sys.argv[2:-2]]),
        "toy": options.toy,
        "device": device(options.device),
        "machine": f"{platform.system()} {platform.machine()}, {processor()}, {torch.get_num_threads()} threads",
        "versions": {"python": platform.python_version()} | _versions(),
        "commit": commit(options.packed),
    }


def device(kind: str) -> dict[str, Any]:
    """What the device says of itself.

    Raises:
        ValueError: there is none.
    """
    if kind == "cpu":
        return {"kind": "cpu"}
    if not torch.cuda.is_available():
        raise ValueError("`--device` is cuda, but torch sees no GPU here; `--device cpu --toy` tries the way.")
    found = torch.cuda.get_device_properties(0)
    return {
        "kind": "cuda",
        "name": found.name,
        "capability": f"{found.major}.{found.minor}",
        "gigabytes": round(found.total_memory / 1e9, 1),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def commit(packed: Path | None) -> str | None:
    """Of this checkout, or the one that a folder was packed in; None where neither is known."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        done = None
    if done is not None and (found := done.stdout.strip()):
        return found
    noted = None if packed is None else packed / "commit.txt"
    return f"{noted.read_text().strip()}, when packed" if noted is not None and noted.exists() else None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
