"""Where a result comes from."""

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sparsefront.attacks import Attack, NamedAttack, View
from sparsefront.results.cost import Cost


def about(
    attacks: Sequence[NamedAttack], default_backward: str, costs: Mapping[str, Cost], errors: Mapping[str, str]
) -> dict[str, Any]:
    """Settings, cost and fate of each attack, with versions, machine, commit and command, ready for JSON."""
    entries = []
    for named in attacks:
        view = _settings(named.view)
        inner = view["init_args"].get("view", view)  # of a neighbourhood
        if inner["init_args"].get("backward", "") is None:
            inner["init_args"]["backward"] = default_backward
        entries.append(
            {
                "name": named.name,
                "knowledge": named.knowledge,
                "in_worst_case": named.in_worst_case,
                "attack": _settings(named.attack),
                "view": view,
                "target": named.target,
                **vars(costs.get(named.name, Cost())),
                "error": errors.get(named.name),
            }
        )
    return {
        "attacks": entries,
        "versions": versions(),
        "machine": machine(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a number depends on, and the commit where there is one."""
    packages = ("torch", "pytorch-lightning", "torchvision", "timm", "sparsefront")
    found = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    return found | ({"commit": commit} if (commit := _commit()) else {})


def machine() -> str:
    """Processor, threads and accelerators in one line."""
    parts = [f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        parts.append(f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}")
    return ", ".join(parts)


def _settings(part: Any) -> dict[str, Any]:
    """Class and arguments, those of attacks and views inside it as well; tensors of a fitted attack are no settings."""
    values = {name: value for name, value in vars(part).items() if not name.startswith("_")}
    return {
        "class_path": type(part).__name__,
        "init_args": {
            name: _settings(value) if isinstance(value, Attack | View) else value
            for name, value in values.items()
            if not isinstance(value, Tensor)
        },
    }


def _commit() -> str | None:
    folder = Path(__file__).parent
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True)
    except OSError:
        return None
    return found.stdout.strip() or None
