"""Attack a model and leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from sparsefront.common.kept_buffers import KeptBuffers


@contextmanager
def frozen_model(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, frozen parameters, gradients possible; all comes back exactly.

    That is modes, flags, torch's random states, and buffers, which some models move whenever they are called.
    Also inside `torch.inference_mode`, which `Trainer.validate` switches on; tensors made there must be cloned.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    buffers = KeptBuffers(model.modules())
    try:
        devices = {parameter.device for parameter in model.parameters() if parameter.is_cuda}
        with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
            model.eval()
            model.requires_grad_(False)
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        buffers.restore()
