"""Somebody else's model, called so that neither side leaves a trace on the other."""

import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.module import register_module_forward_pre_hook

from sparsefront.common.kept_buffers import KeptBuffers
from sparsefront.common.logits import logits_of

_called: list[nn.Module] = []
"""Networks that the attacks in progress have called, outermost ones."""


class Guarded:
    """A model as an attack may call it: (B, C, H, W) -> logits (B, K).

    It is handed a copy of the images, for it may write into what it is given, and its answer is copied, for it may use
    its memory again; both keep the graph. Images go to it in the precision that they had, and its logits come back in
    single precision at least, so that an attack on a model in half precision computes in single. Whatever else is asked
    of it is the model's own.

    Args:
        model: images -> logits.
        dtype: that the model reads.
    """

    def __init__(self, model: Callable[[Tensor], Any], dtype: torch.dtype) -> None:
        self.model, self.dtype = model, dtype
        self.modes: list[tuple[nn.Module, bool]] = []  # modules and their modes before
        self.kept: list[KeptBuffers] = []  # of parts that stay in training mode
        self.asked_before = False

    def __call__(self, images: Tensor) -> Tensor:
        """Ask the model; the first time, see to it that its networks are in evaluation mode."""
        copied = images.clone() if images.dtype == self.dtype else images.to(self.dtype)
        if self.asked_before:
            answer = self.model(copied)
        else:
            self.asked_before = True
            with _each_network(self._to_evaluation_mode):
                answer = self.model(copied)
        logits = logits_of(answer)
        return logits.to(torch.promote_types(logits.dtype, torch.float32), copy=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "model":  # while it is being copied there is none
            raise AttributeError(name)
        return getattr(self.model, name)

    def _to_evaluation_mode(self, network: nn.Module) -> None:
        """Put a network that was left in training mode into evaluation mode; one whose parts alone were stays so."""
        _called.append(network)
        if not network.training:
            self._keep_buffers(network)
            return
        self.modes += [(module, module.training) for module in network.modules()]
        training = [type(module) for module in network.modules() if module.training]
        minding = [kind.__name__ for kind in training if _depends_on_mode(kind)]
        network.eval()
        if minding:
            warnings.warn(
                f"{type(network).__name__} was left in training mode, which its {minding[0]} minds; it is attacked in "
                "evaluation mode, as it would be deployed, and put back: call `.eval()` first.",
                stacklevel=2,
            )

    def _keep_buffers(self, network: nn.Module) -> None:
        """Set aside what the parts that stay in training mode would move, running statistics above all."""
        training = [module for module in network.modules() if module.training and _depends_on_mode(type(module))]
        self.kept.append(KeptBuffers(part for module in training for part in module.modules()))
        norms = [type(module).__name__ for module in training if isinstance(module, _BatchNorm)]
        if norms:
            warnings.warn(
                f"a part of {type(network).__name__}, its {norms[0]}, was left in training mode; it is attacked so, by "
                "the statistics of each batch, and its running statistics are put back: call `.eval()` of the whole "
                "network first, unless this is meant.",
                stacklevel=2,
            )

    def restore(self) -> None:
        """Give the networks back the modes and the buffers that they had."""
        for buffers in self.kept:
            buffers.restore()
        for module, training in self.modes:
            module.training = training


def _depends_on_mode(kind: type) -> bool:
    """Whether what modules of a class do depends on their mode: whether its code asks for `training`."""
    others = (nn.Module.__module__, "pytorch_lightning", "lightning")
    bases = [base for base in kind.__mro__ if not base.__module__.startswith(others)]
    functions = [value for base in bases for value in vars(base).values() if inspect.isfunction(value)]
    named = [function for function in functions if function.__name__ not in ("train", "eval")]
    return any("training" in inspect.unwrap(function).__code__.co_names for function in named)


@contextmanager
def guarded(model: Callable[[Tensor], Any], dtype: torch.dtype) -> Iterator[Callable[[Tensor], Tensor]]:
    """The model, `Guarded` while the context lasts; one that is already stays as it is.

    Args:
        model: images -> logits, a network or any function of some.
        dtype: of the images that the model reads.
    """
    if isinstance(model, Guarded):
        yield model
        return
    wrapped = Guarded(model, dtype)
    known = len(_called)
    try:
        yield wrapped
    finally:
        wrapped.restore()
        del _called[known:]


@contextmanager
def _each_network(meet: Callable[[nn.Module], None]) -> Iterator[None]:
    """Call `meet` with each network that this thread calls from outside of any other, before it runs."""
    met: set[int] = set()
    thread = threading.get_ident()

    def look(module: nn.Module, _inputs: Any) -> None:
        if threading.get_ident() == thread and id(module) not in met:
            met.update(id(part) for part in module.modules())
            meet(module)

    handle = register_module_forward_pre_hook(look)
    try:
        yield
    finally:
        handle.remove()


def called_parameters() -> list[nn.Parameter]:
    """Parameters of the networks that the attacks in progress have called, each once."""
    return list({id(one): one for network in _called for one in network.parameters()}.values())
