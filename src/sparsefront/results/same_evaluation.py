"""Whether an evaluation came to its end, and its files are those that it wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsefront.common.file_digest import file_digest

SAMPLES = "samples_sha256"
"""The digest of the samples' file, in the attacks' file."""


def check_same_evaluation(samples: Path, provenance: Mapping[str, Any]) -> None:
    """Raise a ValueError unless the samples' file is the one that the attacks' file was written with.

    Records of older versions do not say.

    Args:
        samples: path of the samples' file.
        provenance: of the attacks' file.
    """
    expected = provenance.get(SAMPLES)
    if expected is not None and file_digest(samples) != expected:
        raise ValueError(
            f"{samples} must be as it was written, with {samples.name.replace('samples.csv', 'attacks.json')}, found "
            "another content: it was changed, or the evaluation that wrote it was stopped; evaluate again."
        )


def unfinished(name: str, provenance: Mapping[str, Any]) -> list[str]:
    """A sentence where a system's evaluation was stopped after its attacks; none in records that do not say."""
    if provenance.get("whole", True):
        return []
    return [
        f"{name}: its evaluation was stopped after the attacks, before it had looked for all signs of masked "
        "gradients; evaluate again."
    ]
