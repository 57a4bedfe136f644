"""The layers of a network whose changes can be followed."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import nn

from sparsefront.common.changes.linear import Linear
from sparsefront.common.changes.patchwise import Patchwise
from sparsefront.common.changes.pointwise import Pointwise
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


def _pools(layer: nn.Module) -> int | None:
    """The side of the squares whose largest value a layer keeps, if they lie side by side; else None."""
    if not isinstance(layer, nn.MaxPool2d) or layer.ceil_mode or layer.return_indices:
        return None
    plain = layer.padding in (0, (0, 0)) and layer.dilation in (1, (1, 1))
    side = layer.kernel_size
    return side if isinstance(side, int) and layer.stride == side and plain else None


def _stage(layer: nn.Module) -> Stage | None:
    if Linear.follows(layer):
        return Linear(layer)
    if (side := _pools(layer)) is not None:
        return Patchwise(lambda patches: patches.unflatten(1, (-1, side * side)).amax(dim=2), side, side)
    if isinstance(layer, HasStage):
        return layer.change_stage()
    if not isinstance(layer, _POINTWISE):
        return None
    # One that works in place would write into what another stage keeps.
    return Pointwise((lambda maps: layer(maps.clone())) if getattr(layer, "inplace", False) else layer)
