"""One computation on the device and on the CPU: do they agree, how fast is it, how far from its floor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.floor import counted, floor_seconds
from benchmarks.gpu.rates import Rates
from benchmarks.gpu.timing import seconds_of

Call = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Subject:
    """What is computed.

    Attributes:
        inputs: (N, ...) on the CPU.
        on_cpu: how many of them the CPU is given.
        calls: called with a device, gives `forward` and `gradient`, from inputs on it to what is compared.
        by_chance: whether two calls differ, so that nothing can be compared.
    """

    inputs: Tensor
    on_cpu: int
    calls: Callable[[torch.device], Mapping[str, Call]]
    by_chance: bool = False


def with_gradient(function: Call, differentiable: Call | None = None) -> dict[str, Call]:
    """`forward`, without a graph, and `gradient`, that of the sum of squares of what comes out."""

    def gradient(inputs: Tensor) -> Tensor:
        point = inputs.detach().clone().requires_grad_()
        return torch.autograd.grad((differentiable or function)(point).square().sum(), point)[0]

    return {"forward": torch.no_grad()(function), "gradient": gradient}


def compared(subject: Subject, device: torch.device, rates: Rates) -> dict[str, Any]:
    """Run both calls on the CPU, then on the device.

    Returns:
        The numbers of inputs `batch` and `cpu_batch`, and of each call: milliseconds an input on either and
        `times_as_fast`, the norm of the `difference` between their results over that of the CPU's, the floor in
        milliseconds an input with what bounds it, and the share of it that is reached.
    """
    few = subject.inputs[: subject.on_cpu]
    cpu = torch.device("cpu")
    known = {name: (call(few), seconds_of(partial(call, few), cpu)) for name, call in subject.calls(cpu).items()}
    entry: dict[str, Any] = {"batch": len(subject.inputs), "cpu_batch": len(few)}
    inputs = subject.inputs.to(device)
    for name, call in subject.calls(device).items():
        expected, cpu_seconds = known[name]
        found = call(inputs[: len(few)]).cpu()
        moved = _bytes(inputs) + _bytes(found) * len(inputs) / len(few)
        floor = floor_seconds(counted(partial(call, inputs)), moved, rates)
        seconds = seconds_of(partial(call, inputs), device)
        each, cpu_each = 1000 * seconds / len(inputs), 1000 * cpu_seconds / len(few)
        entry[name] = {
            "milliseconds": _short(each),
            "cpu_milliseconds": _short(cpu_each),
            "times_as_fast": _short(cpu_each / each),
            "difference": None if subject.by_chance else _short(_relative(found, expected)),
            "floor_milliseconds": _short(1000 * floor["seconds"] / len(inputs)),
            "bound": floor["bound"],
            "share_of_floor": _short(floor["seconds"] / seconds),
        }
    return entry


def _relative(found: Tensor, expected: Tensor) -> float:
    return float((found.double() - expected.double()).norm() / expected.double().norm().clamp_min(1e-30))


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _short(number: float) -> float:
    return float(f"{number:.4g}")
