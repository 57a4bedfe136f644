"""The form of a model in which adversaries search."""

import copy
import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, fx, nn

from sparsefront.evaluation.agreement import difference, logits_on
from sparsefront.evaluation.compared_forms import Compared, error_in_words
from sparsefront.evaluation.folding import folded
from sparsefront.evaluation.search_classifier import AS_IT_IS, FORMS, SearchClassifier, with_classifier
from sparsefront.evaluation.written_out.written_out import WrittenOut
from sparsefront.model.defended import DefendedClassifier

SearchPrecision = Literal["32", "bf16"]
"""`32` searches in the parameters' own precision, `bf16` runs the classifier under bfloat16 autocast."""


def search_form(
    model: DefendedClassifier, precision: SearchPrecision = "32", images: Tensor | None = None
) -> DefendedClassifier:
    """A frozen stand-in of the model whose classifier computes the same logits sooner.

    A gradient step costs what the classifier costs, so its form decides how long an attack takes: batch normalisation
    is folded into the convolutions before it, images go through in channels_last memory, parameters follow no gradient.
    Logits differ from the model's by rounding (or by bfloat16's), so verdicts are the model's own.

    The form is the first of these that agrees with the model in its logits and in their gradient, on what the front end
    makes of the images and on these themselves: `folded`; an `unfolded copy`; the classifier `as it is`.

    Args:
        model: in evaluation mode.
        precision: see `SearchPrecision`; one whose answers are too far from the model's gives way to `32`.
        images: (B, C, H, W), the first that are to be attacked; random ones if absent.

    Returns:
        A copy that shares the front end and owns its classifier, a `SearchClassifier` that says which form it is.

    Raises:
        ValueError: a precision that does not exist.
    """
    check_precision(precision)
    compared = Compared(model, images)
    classifier, reasons = _form(model, compared)
    if precision == "bf16":
        rough = SearchClassifier(classifier.classifier, classifier.form, bf16=True)
        if (reason := compared.against(rough, torch.bfloat16)) is None:
            classifier = rough
        else:
            reasons.append(f"bf16: {reason}")
            warnings.warn(f"`search.precision` bf16 is too far from the model and left out: {reason}.", stacklevel=2)
    classifier.reason = "; ".join(reasons) or None
    return with_classifier(model, classifier)


def doubt(model: DefendedClassifier, form: DefendedClassifier, images: Tensor) -> str | None:
    """What is different in a form on images (B, C, H, W) that an attack found, and those that it began with."""
    classifier: Any = form.classifier
    if classifier.form == AS_IT_IS and not classifier.bf16:
        return None
    with torch.no_grad():
        read = model.frontend(images.clone())
        answers, expected = (logits_on(one.classify, read) for one in (form, model))
    reason = difference([answers], [expected], torch.bfloat16 if classifier.bf16 else expected.values[0].dtype)
    return None if reason is None else f"{classifier.form}: on attacked images {reason}"


def as_it_is(model: DefendedClassifier, reason: str) -> DefendedClassifier:
    """The model's own classifier in the place of a form, for a reason."""
    classifier = SearchClassifier(model.classifier, AS_IT_IS)
    classifier.reason = reason
    return with_classifier(model, classifier)


def check_precision(precision: str) -> None:
    """Raise a ValueError unless it is a `SearchPrecision`."""
    choices = get_args(SearchPrecision)
    if precision not in choices:
        raise ValueError(f"`precision` must be one of {', '.join(choices)}, found {precision!r}.")


def _form(model: DefendedClassifier, compared: Compared) -> tuple[SearchClassifier, list[str]]:
    """The first form that agrees with the model, and what was against those before it."""
    reasons: list[str] = []
    makes: list[tuple[str, Callable[[nn.Module], nn.Module | None]]] = [(FORMS[1], _fastest), (FORMS[2], _copied)]
    while makes:
        name, make = makes.pop(0)
        try:
            made = make(model.classifier)
        except Exception as error:  # other people's code, copied and traced
            reasons.append(f"{name}: {error_in_words(error)}")
            continue
        if made is None:
            continue
        form = SearchClassifier(made, name)
        if (reason := compared.against(form, None, make)) is None:
            return form, reasons
        reasons.append(f"{name}: {reason}")
        if isinstance(made, WrittenOut):
            makes.insert(0, (name, _folded))
    return SearchClassifier(model.classifier, AS_IT_IS), reasons


def _copied(classifier: nn.Module) -> nn.Module:
    copied = copy.deepcopy(classifier).eval().requires_grad_(False)
    return copied.to(memory_format=torch.channels_last)


def _folded(classifier: nn.Module) -> fx.GraphModule | None:
    form = folded(copy.deepcopy(classifier).eval().requires_grad_(False))
    return None if form is None else form.requires_grad_(False).to(memory_format=torch.channels_last)


def _fastest(classifier: nn.Module) -> nn.Module | None:
    """Folded and, where that pays, with its backward pass written out."""
    form = _folded(classifier)
    written = None if form is None else WrittenOut.of(form)
    return written if written is not None and written.pays else form
