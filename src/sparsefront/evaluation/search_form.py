"""The form of a model in which adversaries search."""

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from sparsefront.common.logits import logits_of
from sparsefront.evaluation.agreement import MOST, Answers, answers_of, difference, logits_on
from sparsefront.evaluation.folding import folded
from sparsefront.model.defended import DefendedClassifier

SearchPrecision = Literal["32", "bf16"]
"""`32` searches in the parameters' own precision, `bf16` runs the classifier under bfloat16 autocast."""

AS_IT_IS = "as it is"
FORMS = (None, "folded", "unfolded copy", AS_IT_IS)
"""From the fastest to the model itself; None where no attack was run."""
_NOISE = 1 / 255  # share of the largest value
_MOVE = 8 / 255  # of each pixel, up or down: forms are compared around the images too


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
            warnings.warn(f"`search_precision` bf16 is too far from the model and left out: {reason}.", stacklevel=2)
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


def slowest_form(forms: Sequence[dict[str, str | None]]) -> dict[str, str | None]:
    """Of several processes' forms, as the record says them, the one that is least like the fastest."""
    return max(forms, key=lambda form: FORMS.index(form["search_form"]))


def with_classifier(model: DefendedClassifier, classifier: nn.Module) -> DefendedClassifier:
    """A shallow copy of the model with another classifier."""
    form = copy.copy(model)
    # It shares the dictionary of submodules; the model keeps its own classifier.
    form._modules = {**model._modules, "classifier": classifier}
    return form


def check_precision(precision: str) -> None:
    """Raise a ValueError unless it is a `SearchPrecision`."""
    choices = get_args(SearchPrecision)
    if precision not in choices:
        raise ValueError(f"`search_precision` must be one of {', '.join(choices)}, found {precision!r}.")


class SearchClassifier(nn.Module):
    """A classifier in one of its forms.

    Args:
        classifier: the form, or the model's own.
        form: `folded`, `unfolded copy` or `as it is`.
        bf16: whether it runs under bfloat16 autocast.

    Attributes:
        reason: why it is no faster form; None where nothing was against one.
    """

    def __init__(self, classifier: nn.Module, form: str, bf16: bool = False) -> None:
        super().__init__()
        self.classifier, self.form, self.bf16 = classifier, form, bf16
        self.reason: str | None = None
        self.training = classifier.training

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K) of the images' dtype."""
        if self.form != AS_IT_IS and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        if not self.bf16:
            return logits_of(self.classifier(images))
        with torch.autocast(images.device.type, torch.bfloat16):
            logits = logits_of(self.classifier(images))
        return logits.to(images.dtype)


def _form(model: DefendedClassifier, compared: "Compared") -> tuple[SearchClassifier, list[str]]:
    """The first form that agrees with the model, and what was against those before it."""
    reasons: list[str] = []
    for name, make in ((FORMS[1], _folded), (FORMS[2], _copied)):
        try:
            made = make(model.classifier)
        except Exception as error:  # other people's code, copied and traced
            reasons.append(f"{name}: {_told(error)}")
            continue
        if made is None:
            continue
        form = SearchClassifier(made, name)
        if (reason := compared.against(form, None, make)) is None:
            return form, reasons
        reasons.append(f"{name}: {reason}")
    return SearchClassifier(model.classifier, AS_IT_IS), reasons


def _told(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _copied(classifier: nn.Module) -> nn.Module:
    copied = copy.deepcopy(classifier).eval().requires_grad_(False)
    return copied.to(memory_format=torch.channels_last)


def _folded(classifier: nn.Module) -> nn.Module | None:
    form = folded(copy.deepcopy(classifier).eval().requires_grad_(False))
    return None if form is None else form.requires_grad_(False).to(memory_format=torch.channels_last)


class Compared:
    """A model's classifier, asked once about the inputs that its forms are compared on."""

    def __init__(self, model: DefendedClassifier, images: Tensor | None) -> None:
        self.model = model
        self.inputs = [part.detach() for part in _inputs(model, images)]
        self.answers: list[Answers] | None = None

    def against(
        self,
        form: SearchClassifier,
        dtype: torch.dtype | None,
        make: Callable[[nn.Module], nn.Module | None] | None = None,
    ) -> str | None:
        """What is to be said against a form: an error, or a difference beyond rounding in `dtype`, its own if absent.

        Given how it was made, one that differs a little is made and compared once more in double precision: where they
        agree there, it was rounding.
        """
        try:
            return self._difference(form, dtype, make)
        except Exception as error:  # other people's code, in another layout or precision
            return _told(error)

    def _difference(
        self,
        form: SearchClassifier,
        dtype: torch.dtype | None,
        make: Callable[[nn.Module], nn.Module | None] | None,
    ) -> str | None:
        if self.answers is None:
            self.answers = self._answers(self.model.classify)
        answers = self._answers(with_classifier(self.model, form).classify)
        precision = self.answers[0].values[0].dtype if dtype is None else dtype
        reason = difference(answers, self.answers, precision)
        if reason is None or make is None or precision != torch.float32:
            return reason
        little = difference(answers, self.answers, torch.bfloat16) is None
        return None if little and self._agrees_in_double(form.form, make) else reason

    def _answers(self, model: Callable[[Tensor], Tensor], dtype: torch.dtype | None = None) -> list[Answers]:
        """Logits of the first inputs, logits and gradients of those with noise; in their own precision or another."""
        first, *others = (part.to(dtype) if dtype else part for part in self.inputs)
        return [logits_on(model, first), *(answers_of(model, part) for part in others)]

    def _agrees_in_double(self, name: str, make: Callable[[nn.Module], nn.Module | None]) -> bool:
        double = copy.deepcopy(self.model.classifier).double()
        made = make(double)
        if made is None:
            return False
        forms: Sequence[nn.Module] = (SearchClassifier(made, name), double)
        answers, expected = (self._answers(with_classifier(self.model, one).classify, torch.float64) for one in forms)
        return difference(answers, expected, torch.float64) is None


@torch.no_grad()
def _inputs(model: DefendedClassifier, images: Tensor | None) -> Iterator[Tensor]:
    """What the classifier is to be compared on: what the front end returns, and where that are images, images."""
    generator = torch.Generator().manual_seed(0)
    if images is None:
        images = torch.rand(4, *model.frontend.image_shape, generator=generator).to(model.device, model.reads)
    images = images[:MOST]
    with torch.random.fork_rng([images.device] if images.is_cuda else []):
        through = model.frontend(images.clone())
    through = through[:MOST]
    yield through
    # Flat regions tie in a maximum, whose gradient may go either way: a little noise decides.
    draws = torch.rand(through.shape, generator=generator).to(through)
    yield through + _NOISE * through.abs().amax() * (draws - through / through.abs().amax().clamp_min(1e-12))
    if model.frontend.returns_images:
        signs = torch.randint(2, images.shape, generator=generator).to(images) * 2 - 1
        draws = torch.rand(images.shape, generator=generator).to(images)
        yield (1 - _NOISE) * (images + _MOVE * signs).clamp(0, 1) + _NOISE * draws
