"""Where a result comes from: packages, machine and command."""

import platform
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


def provenance() -> dict[str, Any]:
    """`versions`, `machine` and `command` of this process, ready for JSON."""
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {"versions": versions(), "machine": machine(), "command": command}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a number depends on, and the commit where there is one."""
    packages = ("torch", "pytorch-lightning", "torchvision", "timm", "sparsefront")
    known = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    return known | ({"commit": commit} if (commit := _commit()) else {})


def machine() -> str:
    """Processor, threads and accelerators in one line."""
    import torch

    parts = [f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        parts.append(f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}")
    return ", ".join(parts)


def _commit() -> str | None:
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None
