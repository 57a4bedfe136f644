"""The layers of deep sparse coding in their places."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from torch import Tensor

from sparsecode.hierarchy.solved_layer import SolvedLayer
from sparsefront.common.rules import Rule, check_rules
from sparsefront.frontends.dsc.layer import DSCLayer

_ROOM = 1.01  # of bounds, for atoms that are rounded and brought to unit norm again


class PlacedLayer(NamedTuple):
    """A layer in its place."""

    layer: DSCLayer
    shape: tuple[int, ...]  # of what it reconstructs, (C, H, W) or (m,)
    below: tuple[int, ...]  # numbers of the layers that it reconstructs
    padding: tuple[int, int]  # of its filters
    atoms_shape: tuple[int, ...]  # of its dictionary
    code_shape: tuple[int, ...]

    @classmethod
    def of(cls, layer: DSCLayer, shape: tuple[int, ...], below: tuple[int, ...]) -> "PlacedLayer":
        """A layer that reconstructs codes, or an image, of this shape."""
        padding = (0, 0) if layer.size is None else layer.padding((shape[1], shape[2]))
        atoms_shape, code_shape = layer.shapes(shape)
        return cls(layer, (prod(shape),) if layer.size is None else shape, below, padding, atoms_shape, code_shape)

    def level(self, atoms: Tensor, bound: Tensor, below: tuple[int, ...] = ()) -> SolvedLayer:
        """With these atoms, all or those of an absent modality left out, above levels of these numbers."""
        layer, shape = self.layer, self.shape if atoms.ndim == 4 else (atoms.shape[1],)
        return SolvedLayer(
            atoms, shape, layer.lmbda, _ROOM * float(bound), below, layer.feedback, layer.stride, self.padding
        )


def place_layers(
    image_shape: tuple[int, int, int],
    layers: Sequence[DSCLayer],
    second_shape: tuple[int, int, int] | None,
    second_layers: Sequence[DSCLayer],
) -> list[PlacedLayer]:
    """Place all layers, each after those below it, the shared top last; settings as `DSC` has them.

    Raises:
        ValueError: layers that cannot lie above each other; the message names the setting.
    """
    check_rules(_rules(layers, second_shape, second_layers))
    placed: list[PlacedLayer] = []
    roots: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    for read, own in ((image_shape, layers[:-1]), (second_shape, second_layers)):
        if read is None:
            continue
        shape: tuple[int, ...] = read
        below: tuple[int, ...] = ()
        for layer in own:
            placed.append(PlacedLayer.of(layer, shape, below))
            shape, below = placed[-1].code_shape, (len(placed) - 1,)
        roots.append((shape, below))
    if len(roots) > 1:
        shape, below = (sum(prod(root) for root, _ in roots),), tuple(number for _, (number,) in roots)
    return [*placed, PlacedLayer.of(layers[-1], shape, below)]


def _rules(
    layers: Sequence[DSCLayer], second_shape: tuple[int, int, int] | None, second_layers: Sequence[DSCLayer]
) -> list[Rule]:
    rules = [
        (bool(layers), "`layers` must name at least one layer, found none."),
        (
            (second_shape is None) == (not second_layers),
            f"`second_shape` and `second_layers` must be given together or not at all, found {second_shape} "
            f"and {len(second_layers)} layers.",
        ),
        (
            second_shape is None or (len(layers) > 1 and layers[-1].size is None),
            "`layers` must end in a fully connected layer above at least one other, for a second modality to share "
            "it, found otherwise; leave out the last one's `size`.",
        ),
    ]
    for name, own in (("layers", layers), ("second_layers", second_layers)):
        connected = [layer.size is None for layer in own]
        rules.append(
            (
                connected == sorted(connected),
                f"`{name}` must have no filters above a fully connected layer, found layer "
                f"{connected.index(True) + 2 if True in connected else 0} to have some; leave out its `size`.",
            )
        )
    return rules
