"""Whether another computation may stand in a layer's place."""

from typing import TypeGuard, TypeVar

from torch import nn

Kind = TypeVar("Kind", bound=nn.Module)


def is_bare(module: nn.Module, kind: type[Kind]) -> TypeGuard[Kind]:
    """Whether a module is just of this class, with its class's own forward and no hooks: nobody misses its call."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return type(module) is kind and "forward" not in vars(module) and not any(hooks)
