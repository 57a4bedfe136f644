"""Counts what an attack asks a model for."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.common.stopping import poll
from sparsefront.results.cost import Cost

Model = Callable[[Tensor], Tensor]


def metered(model: Model, cost: Cost, asked: Callable[[], None] = lambda: None) -> Model:
    """The same model, which adds to `cost` each image that goes through it forward and backward, and says `asked`."""

    def run(images: Tensor) -> Tensor:
        poll()  # every attack passes here again and again
        asked()
        cost.forwards += len(images)
        logits = model(images)
        if torch.is_grad_enabled() and logits.requires_grad:
            logits.register_hook(count)
        return logits

    def count(gradient: Tensor) -> None:
        cost.backwards += len(gradient)

    return run
