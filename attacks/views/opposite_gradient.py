"""A view whose gradient points the other way."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sparsecode import value_with_gradient_of
from sparsefront.attacks.views.view import Logits, Meter, unmetered
from sparsefront.attacks.views.wrapped_view import WrappedView


@dataclass(frozen=True)
class OppositeGradient(WrappedView):
    """Another view's value, with the negative of its gradient.

    For a model that gives out a gradient along which its loss falls, by mistake or to lead an adversary away. A model
    whose gradient is right is not attacked by it at all.

    Args:
        view: what the adversary knows.
    """

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Turn the inner view's gradient around."""
        inner = self.view(model, meter)

        def logits(images: Tensor) -> Tensor:
            outputs = inner(images)
            return value_with_gradient_of(-outputs, outputs.detach())

        return logits
