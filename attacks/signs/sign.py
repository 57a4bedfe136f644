"""The signs by their names."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.signs.answers_without_scores import answers_without_scores
from sparsefront.attacks.signs.differences_disagree import differences_disagree
from sparsefront.attacks.signs.draws_differ import draws_differ
from sparsefront.attacks.signs.gradient_draws_differ import gradient_draws_differ
from sparsefront.attacks.signs.gradient_points_down import gradient_points_down
from sparsefront.attacks.signs.loss_does_not_rise import loss_does_not_rise
from sparsefront.attacks.signs.outputs_sum_to_one import outputs_sum_to_one
from sparsefront.attacks.signs.rippled import rippled
from sparsefront.attacks.signs.vanishing import vanishing
from sparsefront.attacks.signs.zero_gradients import zero_gradients

Sign = Literal[
    "zero_gradients",
    "vanishing",
    "outputs_sum_to_one",
    "answers_without_scores",
    "loss_does_not_rise",
    "gradient_points_down",
    "rippled",
    "differences_disagree",
    "draws_differ",
    "gradient_draws_differ",
]

SIGNS: dict[Sign, Callable[[Model, Tensor, Tensor, Tensor], Tensor]] = {
    "zero_gradients": zero_gradients,
    "vanishing": vanishing,
    "outputs_sum_to_one": outputs_sum_to_one,
    "answers_without_scores": answers_without_scores,
    "loss_does_not_rise": loss_does_not_rise,
    "gradient_points_down": gradient_points_down,
    "rippled": rippled,
    "differences_disagree": differences_disagree,
    "draws_differ": draws_differ,
    "gradient_draws_differ": gradient_draws_differ,
}
"""Functions of (images -> logits, images, labels, indices) that say of each sample whether it shows the sign."""
