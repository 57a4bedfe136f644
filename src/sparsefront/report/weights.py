"""Which weights a number is of, in a sentence."""

from collections.abc import Mapping
from typing import Any

from sparsefront.results.run import Run

DIGITS = 12  # of a digest: enough to tell files apart, few enough to compare by eye


def weights(run: Run) -> str | None:
    """E.g. "version_0/checkpoints/last.ckpt, epoch 3, step 124, sha256 1a2b3c4d5e6f"; None in older records."""
    record = run.provenance.get("weights")
    if not isinstance(record, Mapping):
        return None
    words = _words(record)
    if record.get("from") == "fit":
        words = f"those of {words}, while it was trained"
    elif record.get("from") != "checkpoint":
        words = f"as they were in memory (tensors {_short(record.get('tensors'))})"
    parts = record.get("parts")
    known = parts.items() if isinstance(parts, Mapping) else ()
    taken = [f"{name} from {_words(part)}" for name, part in known if isinstance(part, Mapping)]
    return "; ".join([words, *taken])


def weights_sentence(run: Run) -> str | None:
    """Which weights a system was evaluated with, as a sentence with its name; None in older records."""
    words = weights(run)
    return None if words is None else f"{run.name}: weights {words}."


def other_settings(run: Run) -> str | None:
    """What was allowed to be another setting than the weights were trained with; None if nothing was."""
    record = run.provenance.get("weights")
    differs = record.get("differs") if isinstance(record, Mapping) else None
    texts = [text for text in differs if isinstance(text, str)] if isinstance(differs, list) else []
    return f"{run.name}: tested with other settings than its weights are of: {'; '.join(texts)}." if texts else None


def _words(record: Mapping[str, Any]) -> str:
    facts = [("", record.get("path")), ("epoch ", record.get("epoch")), ("step ", record.get("step"))]
    known = [f"{name}{value}" for name, value in facts if isinstance(value, str | int)]
    digest = _short(record.get("sha256"))
    return ", ".join([*known, *([f"sha256 {digest}"] if digest else [])])


def _short(digest: Any) -> str:
    return digest[:DIGITS] if isinstance(digest, str) else ""
