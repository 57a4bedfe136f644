"""Models whose answer depends on more than the image."""

import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from sparsefront.evaluation.agreement import difference, logits_on
from sparsefront.evaluation.model_state import changed_by_calls
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.finding import Finding

CHANGES, MATES = "changes_when_called", "depends_on_batch_mates"
_FEW = 4  # images that it is tried on


def unsteady(model: DefendedClassifier, images: Tensor) -> Iterator[Finding]:
    """What of a deployed model changes when it is called, and whether an image's answer depends on its batch mates.

    Either makes a verdict depend on the order and the batches of an evaluation. Both are warned of. A front end that
    draws random numbers, or a classifier that does, is left to the diagnostics.

    Args:
        model: in evaluation mode.
        images: (B, C, H, W).
    """
    few = images[:_FEW]
    try:
        with torch.no_grad():
            model(few)
    except Exception:  # a model of one size of batch, say: the attacks' own errors name it
        return
    if changed := changed_by_calls(model, lambda: model(few), images.device):
        text = (
            f"{', '.join(changed)} of the model changes whenever it is called, so that verdicts depend on their order."
        )
        yield _said(Finding(CHANGES, "deployed model", True, text))
    elif len(few) > 1 and not model.frontend.randomised and (apart := _apart(model, few)) is not None:
        text = f"an image's answer depends on the images beside it ({apart}), so that verdicts depend on the batches."
        yield _said(Finding(MATES, "deployed model", True, text))


def _said(finding: Finding) -> Finding:
    warnings.warn(finding.sentence[0].upper() + finding.sentence[1:], stacklevel=4)
    return finding


def _apart(model: DefendedClassifier, images: Tensor) -> str | None:
    with torch.no_grad():
        through = model.frontend(images.clone())
    copies = model.frontend.n_copies
    whole, again, first = (logits_on(model.classify, some) for some in (through, through, through[:copies]))
    dtype = whole.values[0].dtype
    if difference([again], [whole], dtype) is not None:
        return None
    # The batch's spread of logits is the scale: one image alone need not have any.
    alone = torch.cat([first.values[0], whole.values[0][copies:]])
    return difference([whole._replace(values=[alone])], [whole], dtype)
