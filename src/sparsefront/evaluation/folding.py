"""Batch normalisation folded into the convolutions before it."""

import copy
import warnings
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from sparsefront.classifiers.parts.normalize import Normalize
from sparsefront.common.bare_layer import is_bare


def folded(classifier: nn.Module) -> fx.GraphModule | None:
    """A classifier in evaluation mode that computes the same with fewer steps; None where there is nothing to fold.

    A convolution is folded where it is called, if batch normalisation alone reads what it returns there: the modules
    stay as they are, so that one called elsewhere, or sharing its tensors, is none the worse.

    Args:
        classifier: in evaluation mode; the result shares its modules.

    Raises:
        Exception: of any kind, where torch.fx cannot follow the code. Code that it follows wrongly it does not notice.
    """
    if not any(type(module) is nn.BatchNorm2d for module in classifier.modules()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = fx.GraphModule(classifier, _Tracer().trace(classifier))
    pairs = [pair for node in traced.graph.nodes if (pair := _pair(traced, node)) is not None]
    for place, (convolution, norm) in enumerate(pairs):
        name = f"folded_convolution_{place}"
        traced.add_submodule(name, _fused(traced, convolution, norm))
        convolution.target = name
        norm.replace_all_uses_with(convolution)
        traced.graph.erase_node(norm)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced if pairs else None


class _Tracer(fx.Tracer):
    """Takes normalisation of pixels as a whole: it checks shapes, which tracing cannot."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Normalize) or super().is_leaf_module(m, module_qualified_name)


def _pair(traced: fx.GraphModule, norm: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    """A call of a convolution and the call of a batch norm that alone reads it, if it is the latter's node."""
    if not _calls(traced, norm, nn.BatchNorm2d) or len(norm.args) != 1 or norm.kwargs:
        return None
    convolution = norm.args[0]
    if not isinstance(convolution, fx.Node) or not _calls(traced, convolution, nn.Conv2d):
        return None
    module = traced.get_submodule(str(norm.target))
    fixed = module.track_running_stats and module.running_mean is not None and module.running_var is not None
    return (convolution, norm) if fixed and list(convolution.users) == [norm] else None


def _calls(traced: fx.GraphModule, node: fx.Node, kind: type[nn.Module]) -> bool:
    """Whether a node calls a module of just this class, in evaluation mode, with nothing hung on to it."""
    if node.op != "call_module":
        return False
    module = traced.get_submodule(str(node.target))
    # A weight that is no parameter is computed from others whenever the module is called.
    return is_bare(module, kind) and not module.training and "weight" in module._parameters


@torch.no_grad()
def _fused(traced: fx.GraphModule, convolution: fx.Node, norm: fx.Node) -> nn.Module:
    second: Any
    first, second = (traced.get_submodule(str(node.target)) for node in (convolution, norm))
    fused: Any = copy.deepcopy(first)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, second.running_mean, second.running_var, second.eps, second.weight, second.bias
    )
    own: nn.Module = fused
    return own
