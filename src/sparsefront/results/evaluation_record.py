"""What an evaluation says of itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsefront.common.atomic_file import write_atomically
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.entry import Entry
from sparsefront.results.result_files import read_json


@dataclass(frozen=True)
class EvaluationRecord:
    """`results/<stage>_attacks.json`: the attacks that were run, and where the result comes from.

    Attributes:
        attacks: one record an attack, in the order they ran, failed ones included.
        provenance: the rest of the file: `system` and `data` by their names, `stage`, `epoch`, `n_samples`, `weights`,
            `undefended`, `randomised`, `draws`, `cascade`, `time_budget`, `diagnostics`, `whole`, `samples_sha256`,
            `versions`, `machine`, `command`.
    """

    attacks: tuple[AttackRecord, ...]
    provenance: Mapping[str, Any]

    @classmethod
    def read(cls, results: Path, stage: str) -> "EvaluationRecord":
        """Read the record that a `results` folder holds.

        Raises:
            FileNotFoundError: there is none.
            ValueError: what is there cannot be one; the file and the key are named.
        """
        path, verb = path_of(results, stage), "validate" if stage == "val" else "test"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; `sparsefront {verb} --config ...` with attacks writes it.")
        entry = read_json(path, ("system", "data", "attacks"), f"write it again with `sparsefront {verb}`")
        _check(entry)
        attacks = tuple(AttackRecord.read(attack) for attack in entry.at("attacks").parts())
        _check_names(path, attacks)
        return cls(attacks, {key: value for key, value in entry.mapping().items() if key != "attacks"})

    def write(self, results: Path, stage: str) -> None:
        """Write it into a `results` folder, whole or not at all."""
        text = {"attacks": [attack.written() for attack in self.attacks], **self.provenance}
        write_atomically(path_of(results, stage), json.dumps(text, indent=1, default=str))


def path_of(results: Path, stage: str) -> Path:
    """Where the record of a stage lies in a `results` folder."""
    return results / f"{stage}_attacks.json"


def _check_names(path: Path, attacks: Sequence[AttackRecord]) -> None:
    names = [attack.name for attack in attacks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"{path}: `attacks` must have names of their own, found {twice} more than once; evaluate again into an "
            "empty folder."
        )


def _check(record: Entry) -> None:
    """Raise a ValueError unless whatever is said is of the kind that tables and pages expect; more may be there."""
    record.at("system").text()
    record.at("data").text()
    for key in ("stage", "machine", "command", "samples_sha256"):
        record.text_of(key)
    for key in ("cascade", "time_budget_reached", "whole", "undefended", "randomised"):
        if (flag := record.get(key)) is not None:
            flag.flag()
    for key, least in (("epoch", 0), ("n_samples", 1), ("draws", 1)):
        if (count := record.get(key)) is not None:
            count.count(least)
    record.number_of("time_budget", 0)
    if (late := record.get("time_budget_reached")) is not None and late.flag():
        record.at("time_budget").number(0)
    if (versions := record.get("versions")) is not None:
        for name in versions.mapping():
            versions.at(name).text()
    for sign in (record.get("diagnostics") or Entry([], record.path, record.mend)).parts():
        for key in ("flag", "adversary", "sentence"):
            sign.at(key).text()
        sign.at("raised").flag()
