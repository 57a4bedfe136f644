"""The layers of deep sparse coding in their places."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from sparsecode.hierarchy import SolvedLayer
from sparsefront.common.rules import Rule, check_rules
from sparsefront.frontends.dsc.layer import DSCLayer
from sparsefront.frontends.dsc.second_modality import SecondModality

_ROOM = 1.01  # of bounds, for atoms that are rounded and brought to unit norm again


class PlacedLayer(NamedTuple):
    """A layer in its place.

    Attributes:
        layer: its settings.
        shape: of what it reconstructs, (C, H, W) or (m,).
        below: numbers of the layers whose codes it reconstructs; none: it reconstructs an image.
        padding: of its filters, rows and columns.
        atoms_shape: of its dictionary, (K, C, n, n) or (K, m).
        code_shape: of an image's code, (K, h, w) or (K,).
    """

    layer: DSCLayer
    shape: tuple[int, ...]
    below: tuple[int, ...]
    padding: tuple[int, int]
    atoms_shape: tuple[int, ...]
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

    def padded(self, images: Tensor) -> Tensor:
        """(B, C, H, W) of what its filters read -> the same with zeros around it, as far as they reach."""
        rows, columns = self.padding
        return F.pad(images, (columns, columns, rows, rows))

    def windows(self, images: Tensor) -> Tensor:
        """(B, C, H, W) of what its filters read -> every patch of their size, a view (B, C, rows, columns, n, n)."""
        height, width = self.atoms_shape[2:]
        return self.padded(images).unfold(2, height, 1).unfold(3, width, 1)


def place_layers(
    image_shape: tuple[int, int, int], layers: Sequence[DSCLayer], second: SecondModality | None
) -> list[PlacedLayer]:
    """Place all layers, each after those below it, the shared top last; settings as `DSC` has them.

    Raises:
        ValueError: layers that cannot lie above each other; the message names the setting.
    """
    check_rules(_rules(layers, second))
    placed: list[PlacedLayer] = []
    roots: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
    modalities = [(image_shape, layers[:-1])]
    if second is not None:
        modalities.append((second.shape, second.layers))
    for signal_shape, branch in modalities:
        shape: tuple[int, ...] = signal_shape
        below: tuple[int, ...] = ()
        for layer in branch:
            placed.append(PlacedLayer.of(layer, shape, below))
            shape, below = placed[-1].code_shape, (len(placed) - 1,)
        roots.append((shape, below))
    if len(roots) > 1:
        shape, below = (sum(prod(root) for root, _ in roots),), tuple(index for _, (index,) in roots)
    return [*placed, PlacedLayer.of(layers[-1], shape, below)]


def _rules(layers: Sequence[DSCLayer], second: SecondModality | None) -> list[Rule]:
    rules = [
        (bool(layers), "`layers` must name at least one layer, found none."),
        (
            second is None or (len(layers) > 1 and layers[-1].size is None),
            "`layers` must end in a fully connected layer above at least one other, for a second modality to share "
            "it, found otherwise; leave out the last one's `size`.",
        ),
    ]
    for name, branch in (("`layers`", layers), ("`layers` of `second`", () if second is None else second.layers)):
        connected = [layer.size is None for layer in branch]
        rules.append(
            (
                connected == sorted(connected),
                f"{name} must have no filters above a fully connected layer, found layer "
                f"{connected.index(True) + 2 if True in connected else 0} to have some; leave out its `size`.",
            )
        )
    return rules
