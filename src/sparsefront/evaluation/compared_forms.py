"""Whether a form of a classifier is the model's own function, on what it will meet."""

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from sparsefront.evaluation.agreement import MOST, Answers, answers_of, difference, differing, logits_on
from sparsefront.evaluation.search_classifier import SearchClassifier, with_classifier
from sparsefront.model.defended import DefendedClassifier

_NOISE = 1 / 255  # share of the largest value
_MOVE = 8 / 255  # of each pixel, up or down: forms are compared around the images too


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
            return error_in_words(error)

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
        return None if little and self._agrees_in_double(answers, form.form, make) else reason

    def _answers(self, model: Callable[[Tensor], Tensor], inputs: Sequence[Tensor] | None = None) -> list[Answers]:
        """Logits of the first inputs, logits and gradients of those with noise; of some of them, or all."""
        first, *others = self.inputs if inputs is None else inputs
        return [logits_on(model, first), *(answers_of(model, part) for part in others)]

    def _agrees_in_double(
        self, answers: Sequence[Answers], name: str, make: Callable[[nn.Module], nn.Module | None]
    ) -> bool:
        """Whether the form is the model in double precision, on the images on which its answers were others.

        That is on one image at least of each batch; on all where no answer to one image alone is another.
        """
        assert self.answers is not None
        pairs = zip(answers, self.answers, strict=True)
        rows = [differing(found, right, torch.float32).to(self.model.device) for found, right in pairs]
        if any(some.any() for some in rows):
            rows = [torch.where(some.any(), some, torch.arange(len(some), device=some.device) == 0) for some in rows]
        else:
            rows = [~some for some in rows]
        inputs = [part[some].double() for part, some in zip(self.inputs, rows, strict=True)]
        double = copy.deepcopy(self.model.classifier).double()
        made = make(double)
        if made is None:
            return False
        forms: Sequence[nn.Module] = (SearchClassifier(made, name), double)
        again, expected = (self._answers(with_classifier(self.model, one).classify, inputs) for one in forms)
        return difference(again, expected, torch.float64) is None


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


def error_in_words(error: Exception) -> str:
    """Kind of an error with the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
