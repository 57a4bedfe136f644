"""The last hidden layer of a classifier."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from sparsefront.model.defended import DefendedClassifier


class Hidden(NamedTuple):
    """What a forward pass made of a batch.

    Attributes:
        logits: (B, K) of the deployed model.
        representation: (B, n) float, the input of the last linear layer.
        weight: (K', n) of that layer.
    """

    logits: Tensor
    representation: Tensor
    weight: Tensor


@torch.no_grad()
def last_hidden(model: DefendedClassifier, images: Tensor) -> Hidden:
    """Run a model and catch its hidden representation, "the hidden layer immediately below the output layer".

    That is the input of the last `nn.Linear` that the classifier runs (paper 003, section 4.3). Behind a front end that
    returns codes, a linear read-out's is the code. Of several copies an image it is their mean.

    Args:
        model: in evaluation mode.
        images: (B, C, H, W) in [0, 1].

    Raises:
        ValueError: no linear layer was run, or it reads more than one vector an image.
    """
    check_linear(model)
    caught: list[tuple[nn.Linear, Tensor]] = []

    def catch(layer: Any, inputs: tuple[Tensor, ...]) -> None:
        caught[:] = [(layer, inputs[0].clone())]  # later ones take the place of earlier ones

    layers = [module for module in model.classifier.modules() if isinstance(module, nn.Linear)]
    handles = [layer.register_forward_pre_hook(catch) for layer in layers]
    try:
        logits = model(images)
    finally:
        for handle in handles:
            handle.remove()
    rows = len(images) * model.frontend.n_copies
    if not caught or caught[0][1].shape[:-1].numel() != rows:
        last = f"one that reads {tuple(caught[0][1].shape)}" if caught else "none that was run as a module"
        raise ValueError(
            f"`classifier` must end in an nn.Linear that reads one vector an image, for a representation to be its "
            f"input, found {last} in {type(model.classifier).__name__}; leave the callback Representations out."
        )
    layer, read = caught[0]
    representation = read.reshape(len(images), model.frontend.n_copies, layer.in_features).float().mean(dim=1)
    return Hidden(logits, representation, layer.weight.detach().float())


def check_linear(model: DefendedClassifier) -> None:
    """Raise a ValueError if the classifier has no linear layer."""
    if not any(isinstance(module, nn.Linear) for module in model.classifier.modules()):
        raise ValueError(
            "`classifier` must have a linear layer (nn.Linear), for a representation is what its last one reads, found "
            f"none in {type(model.classifier).__name__}; leave the callback Representations out."
        )
