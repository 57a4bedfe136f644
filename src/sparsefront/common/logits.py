"""What a model returned, as logits, and what follows from logits."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

NAMES = ("logits", "out")
"""What libraries call the logits among several outputs: transformers and torchvision's classifiers, its others."""


def logits_of(output: Any, who: str = "`model`") -> Tensor:
    """The logits among what a model returned: itself, the only one of several, or the one that goes by their name.

    A mapping's entry, or a named tuple's or data class's attribute, is found by `NAMES`; networks that return
    auxiliary logits while they train name theirs so.

    Args:
        output: what the model returned.
        who: returned it, for the sentence.

    Raises:
        TypeError: no tensor, or several of which none has the name.
    """
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple | list) and len(output) == 1 and isinstance(output[0], Tensor):
        return output[0]
    for name in NAMES:
        found = output.get(name) if isinstance(output, Mapping) else getattr(output, name, None)
        if isinstance(found, Tensor):
            return found
    raise TypeError(
        f"{who} must return logits (B, K), one tensor, found {_told(output)}; return them alone, or name them "
        "`logits` in a dictionary or named tuple."
    )


def predicted_classes(logits: Tensor) -> Tensor:
    """The predicted classes (B,) of logits (B, K); -1, which is nobody's label, where one is not a number."""
    return logits.argmax(dim=1).masked_fill(logits.isnan().any(dim=1), -1)


def mean_over_copies(logits: Tensor) -> Tensor:
    """Log-probabilities (B, K), log of the mean probability over the copies of each image, of logits (B, n_copies, K).

    Every answer of a defended model, and the training accuracy of a read-out, averages copies so.
    """
    return logits.log_softmax(dim=2).logsumexp(dim=1) - math.log(logits.shape[1])


def _told(output: Any) -> str:
    """The kind of an output, and of what is in it."""
    kind = type(output).__name__
    if isinstance(output, Mapping):
        return f"{kind} of {', '.join(map(str, output))}" if output else f"an empty {kind}"
    if isinstance(output, tuple | list):
        return f"{kind} of {', '.join(type(part).__name__ for part in output) or 'nothing'}"
    return kind
