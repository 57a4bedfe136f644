"""Whether two models are the same function, up to rounding."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sparsefront.attacks import value_and_gradient
from sparsefront.common.random import drawing

Model = Callable[[Tensor], Tensor]

MOST = 16  # images that models are compared on
COARSEST = 0.3  # relative difference of gradients up to which one may stand for the other, whatever the precision


class Answers(NamedTuple):
    """What a model makes of one batch.

    Attributes:
        values: logits with and without gradients, of the batch and of its first image alone.
        gradient: (B, C, H, W) of a weighted sum of the logits; None where the model has none.
    """

    values: list[Tensor]
    gradient: Tensor | None


def answers_of(model: Model, inputs: Tensor) -> Answers:
    """Ask a model about inputs (B, C, H, W), with random numbers that depend on nothing else."""
    labels = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    with drawing(inputs.device, seed=1):
        try:
            value, gradient = value_and_gradient(model, inputs, _weighted, labels)
            values = [value]
        except ValueError:  # it cannot be differentiated
            values, gradient = [], None
    values += [logits for some in (inputs, inputs[:1]) for logits in logits_on(model, some).values]
    return Answers(values, gradient)


def logits_on(model: Model, inputs: Tensor) -> Answers:
    """A model's logits of inputs (B, C, H, W), without gradients, as `Answers`."""
    with drawing(inputs.device, seed=2), torch.no_grad():
        return Answers([model(inputs)], None)


def _weighted(logits: Tensor) -> Tensor:
    """A sum of the logits (B, K) -> (B,) in which every class counts and none saturates."""
    weights = torch.cos(1.7 * torch.arange(logits.shape[1], device=logits.device) + 0.3)
    return (logits * weights.to(logits.dtype)).sum(dim=1)


def difference(answers: Sequence[Answers], expected_answers: Sequence[Answers], dtype: torch.dtype) -> str | None:
    """What is different beyond rounding in a precision, in words; None where nothing is."""
    rounding = torch.finfo(dtype).eps
    value, slope = rounding**0.5, min(10 * rounding**0.5, COARSEST)
    for one, other in zip(answers, expected_answers, strict=True):
        if (one.gradient is None) != (other.gradient is None):
            return "one has a gradient and the other has none"
        for logits, expected in zip(one.values, other.values, strict=True):
            if (apart := _apart(logits, expected, rounding)) > value:
                return f"its logits differ by {100 * apart:.2g} % of their spread"
        if one.gradient is None or other.gradient is None:
            continue
        if (apart := _gradients_apart(one.gradient, other.gradient)) > slope:
            return f"its gradients differ by {100 * apart:.2g} %"
    return None


def differing(answers: Answers, expected: Answers, dtype: torch.dtype) -> Tensor:
    """Bool (B,): the images of one batch whose answers differ beyond rounding in a precision.

    Both answers have a gradient or neither, and logits of one shape.
    """
    rounding = torch.finfo(dtype).eps
    rows = torch.zeros(len(expected.values[0]), dtype=torch.bool)
    for logits, right in zip(answers.values, expected.values, strict=True):
        for place in range(len(right)):
            rows[place] |= _apart(logits[place : place + 1], right[place : place + 1], rounding) > rounding**0.5
    if answers.gradient is not None and expected.gradient is not None:
        gaps = _gaps(answers.gradient, expected.gradient).cpu()
        rows |= gaps > min(10 * rounding**0.5, COARSEST)
    return rows


def _apart(logits: Tensor, expected: Tensor, rounding: float) -> float:
    """Largest difference of logits over their spread between classes; NaN is like NaN alone."""
    logits, expected = logits.double(), expected.double()
    if logits.shape != expected.shape or not torch.equal(logits.isfinite(), expected.isfinite()):
        return torch.inf
    logits, expected = logits.nan_to_num(), expected.nan_to_num()
    spread = (expected - expected.mean(dim=1, keepdim=True)).abs().max()
    noise = 64 * rounding * expected.abs().max()
    gap = ((logits - expected).abs().max() - noise).clamp_min(0)
    return float(gap / spread) if spread > 0 else (torch.inf if gap > 0 else 0.0)


def _gradients_apart(gradients: Tensor, expected: Tensor) -> float:
    """Largest relative L2 difference of an image's gradient."""
    return float(_gaps(gradients, expected).max())


def _gaps(gradients: Tensor, expected: Tensor) -> Tensor:
    """Relative L2 differences (B,) of images' gradients; small gradients are measured by the batch's largest."""
    gradients, expected = gradients.double().flatten(1), expected.double().flatten(1)
    lengths = expected.norm(dim=1)
    gaps = (gradients - expected).norm(dim=1)
    scale = torch.maximum(lengths, 1e-3 * lengths.max())
    return torch.where(gaps > 0, gaps / scale, 0)
