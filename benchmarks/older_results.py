"""`python -m benchmarks.older_results FOLDER...`: budgets for results files that were written before they said them.

Each attack is built again from the settings in its record, and asked for its budget, for what it minimises, and whether
it asks the deployed model alone for answers. Nothing else in a file changes. An attack whose settings no longer build
it, or that needs files which are gone, ends in its own error, and its file stays as it was.
"""

import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsefront import attacks
from sparsefront.attacks import NamedAttack
from sparsefront.common.atomic_file import write_atomically
from sparsefront.results.attack_record import AttackRecord

RENAMED = {"LowPass": "GaussianBlurControl"}
SAID = ("budget", "minimises", "asks_only")


def main(folders: list[str]) -> None:
    """Complete all results files in some folders."""
    for folder in folders:
        for pattern, key in (("*_attacks.json", "attacks"), ("*_representations.json", "variants")):
            for path in sorted(Path(folder).rglob(pattern)):
                record = json.loads(path.read_text(encoding="utf-8"))
                record[key] = [completed(entry) for entry in record[key]]
                write_atomically(path, json.dumps(record, indent=1))


def completed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An attack's entry with what the attack says of itself."""
    attack, view = (rebuilt({"init_args": {}} | entry[part]) for part in ("attack", "view"))
    written = AttackRecord.of(NamedAttack(entry["name"], attack, view), "").written()
    return {**entry, **{key: written[key] for key in SAID}}


def rebuilt(described: Mapping[str, Any]) -> Any:
    """The attack or view of a `class_path` and its `init_args`."""
    kind = getattr(attacks, RENAMED.get(described["class_path"], described["class_path"]))
    settings = {
        name: rebuilt(value) if isinstance(value, Mapping) and "class_path" in value else value
        for name, value in described["init_args"].items()
        if name in inspect.signature(kind).parameters  # others it has set itself
    }
    return kind(**settings)


if __name__ == "__main__":
    main(sys.argv[1:])
