"""The form of a model in which adversaries search."""

import copy
import warnings
from contextlib import suppress
from typing import Literal, get_args

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from classifiers.normalize import Normalize
from sparsefront.defended import DefendedClassifier

SearchPrecision = Literal["32", "bf16"]
"""`32` searches in the parameters' own precision, `bf16` runs the classifier under bfloat16 autocast."""


def search_form(model: DefendedClassifier, precision: SearchPrecision = "32") -> DefendedClassifier:
    """A frozen stand-in of the model whose classifier computes the same logits sooner.

    A gradient step costs what the classifier costs, so its form decides how long an attack takes: batch normalisation
    is folded into the convolutions before it, images go through in channels_last memory, parameters follow no gradient.
    Logits differ from the model's by rounding (or by bfloat16's), so verdicts are the model's own.

    Args:
        model: in evaluation mode.
        precision: see `SearchPrecision`.

    Returns:
        A copy that shares the front end and owns its classifier.

    Raises:
        ValueError: a precision that does not exist.
    """
    check_precision(precision)
    form = copy.copy(model)
    # A shallow copy shares the dictionary of submodules; the model keeps its own classifier.
    form._modules = {**model._modules, "classifier": _SearchClassifier(_folded(model.classifier), precision)}
    return form


def check_precision(precision: str) -> None:
    """Raise a ValueError unless it is a `SearchPrecision`."""
    choices = get_args(SearchPrecision)
    if precision not in choices:
        raise ValueError(f"`search_precision` must be one of {', '.join(choices)}, found {precision!r}.")


def _folded(classifier: nn.Module) -> nn.Module:
    """A frozen copy, with batch normalisation folded where torch.fx can follow the code."""
    own = copy.deepcopy(classifier).eval().requires_grad_(False)
    if any(isinstance(module, nn.BatchNorm2d) for module in own.modules()):
        # Where the flow of control depends on the input, fx raises errors of many kinds.
        with warnings.catch_warnings(), suppress(Exception):
            warnings.simplefilter("ignore")
            own = fuse(fx.GraphModule(own, _Tracer().trace(own)), no_trace=True)
    return own.requires_grad_(False).to(memory_format=torch.channels_last)


class _Tracer(fx.Tracer):
    """Takes normalisation of pixels as a whole: it checks shapes, which tracing cannot."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Normalize) or super().is_leaf_module(m, module_qualified_name)


class _SearchClassifier(nn.Module):
    def __init__(self, classifier: nn.Module, precision: SearchPrecision) -> None:
        super().__init__()
        self.classifier, self.bf16 = classifier, precision == "bf16"

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.classifier(images)
        return logits.to(images.dtype)
