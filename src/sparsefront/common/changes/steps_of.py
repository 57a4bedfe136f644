"""The layers of a network whose changes can be followed."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import nn

from sparsefront.common.changes.convolution import Convolution
from sparsefront.common.changes.dense import Dense
from sparsefront.common.changes.largest import Largest
from sparsefront.common.changes.pointwise import Pointwise
from sparsefront.common.changes.step import Step


@runtime_checkable
class HasStep(Protocol):
    """A layer that knows its own step."""

    def change_step(self) -> Step:
        """A new step of this layer."""


def steps_of(layers: Iterable[nn.Module]) -> tuple[list[Step], list[nn.Module]]:
    """Steps of the first layers, one after the other, and the layers from the first that cannot be followed on."""
    rest = [part for layer in layers for part in _parts(layer)]
    steps: list[Step] = []
    flat = False
    while rest:
        if not flat and _flattens(rest):
            flat = True
            rest.pop(0)
        step = _flat_step(rest[0]) if flat else _step(rest[0])
        if step is None:
            break
        steps.append(step)
        rest.pop(0)
    return steps, [nn.Flatten(), *rest] if flat else rest


def _flat_step(layer: nn.Module) -> Step | None:
    if isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward:
        return Dense(layer)
    return Pointwise(layer) if Pointwise.follows(layer) else None


def _flattens(layers: list[nn.Module]) -> bool:
    """Whether the first of these layers flattens maps for a linear one."""
    match layers:
        case [nn.Flatten(start_dim=1, end_dim=-1), nn.Linear(), *_]:
            return True
    return False


def _parts(layer: nn.Module) -> list[nn.Module]:
    if isinstance(layer, nn.Sequential):
        return [part for inner in layer for part in _parts(inner)]
    return [] if isinstance(layer, nn.Dropout | nn.Identity) and not layer.training else [layer]


def _step(layer: nn.Module) -> Step | None:
    if Convolution.follows(layer):
        return Convolution(layer)
    if Largest.follows(layer):
        return Largest(layer)
    if isinstance(layer, HasStep):
        return layer.change_step()
    return Pointwise(layer) if Pointwise.follows(layer) else None
