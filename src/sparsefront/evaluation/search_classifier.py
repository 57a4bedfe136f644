"""A classifier in the form that adversaries search in."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sparsefront.common.logits import logits_of
from sparsefront.model.defended import DefendedClassifier

AS_IT_IS = "as it is"
FORMS = (None, "folded", "unfolded copy", AS_IT_IS)
"""From the fastest to the model itself; None where no attack was run."""


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

    def change_layers(self) -> list[nn.Module]:
        """What images go through, one after the other; this alone if the classifier does not say."""
        own = getattr(self.classifier, "change_layers", None)
        return [self] if own is None or self.bf16 else list(own())

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K) of the images' dtype."""
        if self.form != AS_IT_IS and images.ndim == 4:
            images = images.contiguous(memory_format=torch.channels_last)
        if not self.bf16:
            return logits_of(self.classifier(images))
        with torch.autocast(images.device.type, torch.bfloat16):
            logits = logits_of(self.classifier(images))
        return logits.to(images.dtype)


def with_classifier(model: DefendedClassifier, classifier: nn.Module) -> DefendedClassifier:
    """A shallow copy of the model with another classifier."""
    form = copy.copy(model)
    # It shares the dictionary of submodules; the model keeps its own classifier.
    form._modules = {**model._modules, "classifier": classifier}
    return form


def slowest_form(forms: Sequence[dict[str, str | None]]) -> dict[str, str | None]:
    """Of several processes' forms, as the record says them, the one that is least like the fastest."""
    return max(forms, key=lambda form: FORMS.index(form["search_form"]))
