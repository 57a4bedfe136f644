"""Attack a model and leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


@contextmanager
def under_attack(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, frozen parameters, gradients possible; all comes back exactly.

    That is modes, flags, torch's random states, and buffers, which some models move whenever they are called.
    Also inside `torch.inference_mode`, which `Trainer.validate` switches on; tensors made there must be cloned.
    """
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    buffers = _buffers(model)
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
        _restore(buffers)


def _buffers(model: nn.Module) -> list[tuple[nn.Module, str, Tensor, Tensor]]:
    """Modules, the names of their buffers, these and copies of them."""
    named = ((module, name, buffer) for module in model.modules() for name, buffer in module._buffers.items())
    return [
        (module, name, buffer, buffer.detach().clone())
        for module, name, buffer in named
        if buffer is not None and not is_lazy(buffer)
    ]


def _restore(buffers: list[tuple[nn.Module, str, Tensor, Tensor]]) -> None:
    for module, name, buffer, copy in buffers:
        module._buffers[name] = buffer
        if not torch.equal(buffer, copy):  # NaN counts as changed, and is written again
            with torch.inference_mode(buffer.is_inference()), torch.no_grad():
                buffer.copy_(copy)
