"""One layer of deep sparse coding, as a setting."""

from dataclasses import dataclass
from math import prod

from sparsefront.common.rules import at_least, between, check_rules, not_negative, positive
from sparsefront.common.settings import CheckedSettings


@dataclass(frozen=True)
class DSCLayer(CheckedSettings):
    """A layer of locally competing neurons that reconstructs the layer below it.

    Attributes:
        n_atoms: neurons at each position, K.
        size: side of the square filters, in positions of the layer below; absent: fully connected, one position.
        stride: positions of the layer below between neighbouring ones of this layer.
        lmbda: threshold.
        feedback: weight beta of the pull towards the reconstruction by the layer above; 1 in the paper, 0 for none.
            The top layer has none above it.

    Raises:
        ValueError: a number out of its range.
    """

    n_atoms: int
    size: int | None = None
    stride: int = 1
    lmbda: float = 0.1
    feedback: float = 1.0

    def __post_init__(self) -> None:
        rules = [*at_least(1, n_atoms=self.n_atoms), *positive(lmbda=self.lmbda)]
        rules += not_negative(feedback=self.feedback)
        if self.size is None:
            sentence = f"`stride` must be left out without a `size`, found {self.stride}; there is one position."
            rules.append((self.stride == 1, sentence))
        else:
            mend = "beyond it part of the layer below would be left out"
            rules += [*at_least(1, size=self.size), *between(1, ("size", self.size), mend, stride=self.stride)]
        check_rules(rules)

    def shapes(self, below: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shapes of the dictionary and of a code, on a layer below of shape (C, H, W) or (m,)."""
        if self.size is None:
            return (self.n_atoms, prod(below)), (self.n_atoms,)
        channels, *sides = below
        padding = self.padding((sides[0], sides[1]))
        positions = [(n + 2 * p - self.size) // self.stride + 1 for n, p in zip(sides, padding, strict=True)]
        return (self.n_atoms, channels, self.size, self.size), (self.n_atoms, *positions)

    def padding(self, sides: tuple[int, int]) -> tuple[int, int]:
        """Positions that filters reach beyond each border of a layer of these sides, so that all of it is covered."""
        if self.size is None:
            return 0, 0
        return _least_padding(sides[0], self.size, self.stride), _least_padding(sides[1], self.size, self.stride)


def _least_padding(side: int, size: int, stride: int) -> int:
    """The least from half of what neighbouring filters share, that covers the far border too."""
    # A padding of `size` - 1 leaves nothing out: fewer than `stride` positions are over at the far end.
    return next(
        p for p in range(-(-(size - stride) // 2), size) if side + 2 * p >= size and (side + 2 * p - size) % stride <= p
    )
