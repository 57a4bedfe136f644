"""A layer of a hierarchy, with its dictionary."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from sparsecode.operators import Convolution, Dense, Operator


@dataclass(frozen=True)
class SolvedLayer:
    """A layer with its dictionary.

    Attributes:
        atoms: (K, C, h, w), filters, or (K, m), fully connected.
        shape: (C, H, W) or (m,) of what it reconstructs.
        lmbda: its threshold.
        bound: of the largest eigenvalue of D^T D.
        below: numbers of the levels whose codes it reconstructs, side by side; none: it reconstructs a signal.
        feedback: beta.
        stride: of filters.
        padding: of filters.
    """

    atoms: Tensor
    shape: tuple[int, ...]
    lmbda: float
    bound: float
    below: tuple[int, ...] = ()
    feedback: float = 0.0
    stride: int = 1
    padding: tuple[int, int] = (0, 0)

    def operator(self, scale: float = 1.0) -> Operator:
        """The dictionary as a linear operator: `scale` times D."""
        atoms = self.atoms if scale == 1 else scale * self.atoms
        if atoms.ndim == 2:
            return Dense(atoms.T)
        return Convolution(atoms, (self.shape[1], self.shape[2]), self.stride, self.padding)

    def code(self, potentials: Tensor, positive: bool) -> Tensor:
        """The code of potentials: the soft threshold of each."""
        return (potentials - self.lmbda).clamp_min(0) if positive else F.softshrink(potentials, self.lmbda)
