"""From a traced network to a program."""

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from sparsefront.common.bare_layer import is_bare
from sparsefront.evaluation.written_out.convolution import Convolution
from sparsefront.evaluation.written_out.instruction import Instruction
from sparsefront.evaluation.written_out.local import Local
from sparsefront.evaluation.written_out.norm import Norm
from sparsefront.evaluation.written_out.program import Line, Program
from sparsefront.evaluation.written_out.rectify import Rectify
from sparsefront.evaluation.written_out.total import Total

_RELU = (F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_")
_LEAKY = (F.leaky_relu, F.leaky_relu_)
_SUM = (operator.add, operator.iadd, torch.add, "add", "add_")


class Writer:
    """Writes the program of a traced network in evaluation mode whose parameters no longer change.

    Args:
        traced: images -> logits.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        self.traced = traced
        self.graph = copy.deepcopy(traced.graph)
        for node in self.graph.nodes:
            if _hands_on(traced, node):
                node.replace_all_uses_with(node.args[0])
                self.graph.erase_node(node)
        self.nodes = [node for node in self.graph.nodes if node.op != "output"]
        self.live: set[fx.Node] = set()
        self.written: dict[fx.Node, Instruction] = {}

    def write(self) -> Program | None:
        """The program; None where something is written in place that others read, or not by an instruction of ours."""
        (output,) = (node.args[0] for node in self.graph.nodes if node.op == "output")
        if [node.op for node in self.nodes].count("placeholder") != 1 or not isinstance(output, fx.Node):
            return None
        for node in self.nodes:
            if node.op == "placeholder" or any(source in self.live for source in node.all_input_nodes):
                self.live.add(node)
            if node.op != "placeholder":
                if _overwrites_what_others_read(self.traced, node):
                    return None
                self.written[node] = self._instruction(node)
        if output not in self.written:
            return None
        for node in self.written:
            self._reuse_memory(node)
            self._join_scale(node)
        return Program(self._lines(output))

    def _instruction(self, node: fx.Node) -> Instruction:
        inputs = node.all_input_nodes
        if len(inputs) == 1 and inputs[0] in self.live and not isinstance(one := self._layer(node), Local):
            return one
        two = len(node.args) == 2 and not node.kwargs and len(inputs) == 2
        return Total() if two and node.target in _SUM and self.live.issuperset(inputs) else self._local(node)

    def _layer(self, node: fx.Node) -> Instruction:
        if (slope := _slope(self.traced, node)) is not None:
            return Rectify(slope)
        layer = self.traced.get_submodule(str(node.target)) if node.op == "call_module" else None
        if layer is not None and len(node.args) == 1 and not node.kwargs and not layer.training:
            plain = "weight" in layer._parameters  # one that is no parameter is computed whenever it is asked for
            if plain and is_bare(layer, nn.Conv2d) and Convolution.can_be_written_out(layer):
                return Convolution(layer)
            if plain and is_bare(layer, nn.BatchNorm2d) and layer.running_var is not None:
                return Norm(layer)
        return self._local(node)

    def _local(self, node: fx.Node) -> Local:
        inputs = node.all_input_nodes

        def function(*values: Any) -> Any:
            given = dict(zip(inputs, values, strict=True))
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
            return _target(self.traced, node, args)(*(args[1:] if node.op == "call_method" else args), **kwargs)

        return Local(function, [source in self.live for source in inputs])

    def _reuse_memory(self, node: fx.Node) -> None:
        """Let a line write into an input that lies in memory of its own and that it alone reads."""
        instruction = self.written[node]
        own = [
            source in self.written and self.written[source].owns_output and len(source.users) == 1
            for source in node.all_input_nodes
        ]
        if isinstance(instruction, Rectify):
            instruction.in_place = own[0]
        elif isinstance(instruction, Total) and any(own):
            first = own.index(True)
            instruction.into = node.args.index(node.all_input_nodes[first])

    def _join_scale(self, node: fx.Node) -> None:
        """Where a norm's rectified output goes through a convolution alone, that multiplies by the norm's scale."""
        norm = self.written[node]
        if not isinstance(norm, Norm) or not (reader := _only(node)) or not isinstance(self.written[reader], Rectify):
            return
        last = self.written[after] if (after := _only(reader)) else None
        if isinstance(last, Convolution):
            last.scale_inputs(norm.scale)
            norm.hand_on()

    def _lines(self, output: fx.Node) -> list[Line]:
        """The lines up to the output; each frees what no later line reads."""
        nodes = self.nodes[: self.nodes.index(output) + 1]
        images = next(node for node in nodes if node.op == "placeholder")
        places = {images: 0} | {node: place for place, node in enumerate(self.written, start=1)}
        nodes.remove(images)
        seen = {output}
        lines = []
        for node in reversed(nodes):
            inputs = node.all_input_nodes
            frees = [places[source] for source in inputs if source not in seen]
            seen.update(inputs)
            read = inputs if not isinstance(self.written[node], Total) else list(node.args)
            lines.append(Line(self.written[node], tuple(places[one] for one in read), places[node], tuple(frees)))
        return lines[::-1]


def _hands_on(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node returns its first argument as it is: what leaves nothing out, a slice of all, a pad of nothing."""
    if node.op == "call_module":
        layer = traced.get_submodule(str(node.target))
        left = (nn.Identity, nn.Dropout, nn.Dropout2d)
        return any(is_bare(layer, kind) for kind in left) and not layer.training and isinstance(node.args[0], fx.Node)
    if node.target is operator.getitem and isinstance(cuts := node.args[1], tuple):
        return all(cut in (slice(None), slice(None, None, 1)) for cut in cuts)
    return node.target is F.pad and not any(node.args[1]) and len(node.args) == 2  # type: ignore[arg-type]


def _only(node: fx.Node) -> fx.Node | None:
    """Who alone reads a node, if it is one."""
    readers = list(node.users)
    return readers[0] if len(readers) == 1 and readers[0].op != "output" else None


def _target(traced: fx.GraphModule, node: fx.Node, args: Any) -> Callable[..., Any]:
    """What a node calls."""
    match node.op:
        case "call_module":
            return traced.get_submodule(str(node.target))
        case "call_method":
            method: Callable[..., Any] = getattr(args[0], str(node.target))
            return method
        case "get_attr":
            return lambda: operator.attrgetter(str(node.target))(traced)
    assert callable(node.target)
    return node.target


def _slope(traced: fx.GraphModule, node: fx.Node) -> float | None:
    """Of the rectifier that a node calls, if it is one whose output has its input's sign."""
    slope: Any = None
    if node.op == "call_module":
        layer = traced.get_submodule(str(node.target))
        if is_bare(layer, nn.ReLU):
            slope = 0.0
        elif is_bare(layer, nn.LeakyReLU):
            slope = layer.negative_slope
    elif node.target in _RELU:
        slope = 0.0
    elif node.target in _LEAKY:
        slope = node.args[1] if len(node.args) > 1 else node.kwargs.get("negative_slope", 0.01)
    return float(slope) if isinstance(slope, int | float) and 0 <= slope < 1 else None


def _overwrites_what_others_read(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node writes into its input, and either others read that or it is no instruction of ours."""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    layer = traced.get_submodule(str(node.target)) if node.op == "call_module" else None
    inplace = (
        getattr(layer, "inplace", False) is True
        or node.kwargs.get("inplace") is True
        or (node.op == "call_method" and name.endswith("_") and not name.endswith("__"))
        or (node.op == "call_function" and (name in _IN_PLACE or (name.endswith("_") and not name.endswith("__"))))
    )
    if not inplace:
        return False
    ours = _slope(traced, node) is not None or node.target in _SUM
    return not ours or len(node.all_input_nodes[0].users) > 1


_IN_PLACE = {name for name in dir(operator) if name.startswith("i") and not name.startswith("is")} | {"setitem"}
