"""Attack a model and leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import nn


@contextmanager
def under_attack(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, frozen parameters, gradients possible; modes, flags and random states come back exactly.

    Also inside `torch.inference_mode`, which `Trainer.validate` switches on; tensors made there must be cloned.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        with isolate_rng(), torch.inference_mode(False), torch.enable_grad():
            model.eval()
            model.requires_grad_(False)
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
