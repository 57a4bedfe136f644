"""Gradients of a model in its images, by whichever of two ways it allows."""

from collections.abc import Callable

from torch import Tensor

from sparsefront.attacks.parts.guarded import called_parameters
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import checked_logits, draws_of_passes, logits_of_draws, mean_over_draws
from sparsefront.common.gradient_of import gradient_of, retried


def value_and_gradient(
    model: Model, images: Tensor, loss: Callable[[Tensor], Tensor], labels: Tensor, eot_iter: int = 1
) -> tuple[Tensor, Tensor]:
    """Logits (B, K) and the gradient of the summed per-sample losses with respect to the images (B, C, H, W).

    Both are means over `eot_iter` draws (expectation over transformation, Athalye et al. 2018): the gradient of the
    expected loss where the model is randomised.
    """

    def one_pass(number: int) -> tuple[Tensor, Tensor]:
        point = images.detach().requires_grad_()
        first, *others = (checked_logits(drawn, labels) for drawn in logits_of_draws(model, point, number))
        losses = sum((loss(drawn).sum() for drawn in others), loss(first).sum())
        return sum((drawn.detach() for drawn in others), first.detach()), input_gradient(losses, point)

    draws = draws_of_passes(model, images, eot_iter)
    logits, gradient = mean_over_draws(lambda number: retried(lambda: one_pass(number)), draws)
    return logits, gradient


def input_gradient(
    outputs: Tensor, images: Tensor, weights: Tensor | None = None, *, retain_graph: bool = False
) -> Tensor:
    """The gradient of outputs, a number or weighted sum, with respect to images (B, C, H, W).

    `retain_graph` lets the same outputs be differentiated again.

    Raises:
        ValueError: there is none, or it is not finite.
    """
    gradient = None
    if outputs.requires_grad:
        gradient = gradient_of(outputs, images, called_parameters(), weights, retain_graph)
    if gradient is None:
        raise ValueError(
            "`model` must be differentiable, found logits that carry no gradient to the images; "
            "give it a differentiable stand-in (BPDA) or use an attack that needs no gradient."
        )
    if not gradient.isfinite().all():
        raise ValueError("the gradient of `model` must be finite, found NaN or infinity; attack in float32.")
    return gradient
