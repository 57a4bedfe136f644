"""The results of one part on the disk."""

import json
import time
from pathlib import Path
from typing import Any

from sparsefront.common.atomic_file import write_atomically

_MUST_AGREE = ("part", "device", "toy", "versions")


class OtherResultsError(ValueError):
    """A file holds results that these are not to be mixed with."""


class PartFile:
    """What a part has found so far, written as JSON, whole or not at all, after every entry.

    Entries and facts that an earlier call wrote are taken over, so that a call goes on from it; seconds add up.

    Args:
        path: of the file.
        facts: `part`, `device`, `toy`, `versions` and whatever else says where the results come from.

    Attributes:
        entries: results by name; one that is `whole` is done.

    Raises:
        OtherResultsError: the file is of another part or device, of other sizes or versions.
    """

    def __init__(self, path: Path, facts: dict[str, Any]) -> None:
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "device" in before and any(before.get(name) != facts[name] for name in _MUST_AGREE):
            found = {name: before.get(name) for name in _MUST_AGREE}
            raise OtherResultsError(
                f"`--out` must be a folder of this part, device, size and versions, found {found} in {path}."
            )
        self.path, self.facts = path, before | facts
        self.entries: dict[str, dict[str, Any]] = before.get("entries", {})
        self._before, self._start = before.get("seconds", 0.0), time.monotonic()

    def write(self, *, whole: bool = False, error: str | None = None) -> None:
        """Write what there is.

        Args:
            whole: whether all entries have been tried to their end.
            error: what stopped the part outside its entries.
        """
        whole = whole and all(entry.get("whole") for entry in self.entries.values())
        seconds = round(self._before + time.monotonic() - self._start, 1)
        content = self.facts | {"seconds": seconds, "whole": whole, "error": error, "entries": self.entries}
        write_atomically(self.path, json.dumps(content, indent=1))


def note_error(path: Path, name: str, error: str) -> None:
    """Say in a part's file what ended it, where it could not say so itself."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"part": name, "entries": {}}
    write_atomically(path, json.dumps(content | {"whole": False, "error": error}, indent=1))
