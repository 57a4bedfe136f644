"""The layers of a network whose changes can be followed."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import nn

from sparsefront.common.changes.linear import Linear
from sparsefront.common.changes.pointwise import Pointwise
from sparsefront.common.changes.pooled import Pooled
from sparsefront.common.changes.stage import Stage

_POINTWISE = (nn.ReLU, nn.Hardtanh, nn.SiLU, nn.GELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.ReLU6)


@runtime_checkable
class HasStage(Protocol):
    """A layer that knows its own stage."""

    def change_stage(self) -> Stage:
        """A new stage of this layer."""


def stages_of(layers: Iterable[nn.Module]) -> tuple[list[Stage], list[nn.Module]]:
    """Stages of the first layers, one after the other, and the layers from the first that cannot be followed on."""
    rest = [part for layer in layers for part in _parts(layer)]
    stages: list[Stage] = []
    while rest and (stage := _stage(rest[0])) is not None:
        stages.append(stage)
        rest.pop(0)
    return stages, rest


def _parts(layer: nn.Module) -> list[nn.Module]:
    if isinstance(layer, nn.Sequential):
        return [part for inner in layer for part in _parts(inner)]
    return [] if isinstance(layer, nn.Dropout | nn.Identity) and not layer.training else [layer]


def _stage(layer: nn.Module) -> Stage | None:
    if Linear.follows(layer):
        return Linear(layer)
    if Pooled.follows(layer):
        return Pooled(layer)
    if isinstance(layer, HasStage):
        return layer.change_stage()
    if not isinstance(layer, _POINTWISE):
        return None
    # One that works in place would write into what another stage keeps.
    return Pointwise((lambda maps: layer(maps.clone())) if getattr(layer, "inplace", False) else layer)
