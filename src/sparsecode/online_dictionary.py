"""Online dictionary learning."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsecode.lasso import lasso


def update_atoms(dictionary: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """One pass of block-coordinate descent on 1/2 tr(D^T D A) - tr(D^T B) over unit-norm atoms.

    Mairal et al. (2009), algorithm 2: d_j <- (b_j - D a_j) / A_jj + d_j, brought to unit norm (paper 001 asks for
    ||d_j|| = 1). An atom that no signal has used (A_jj = 0) stays.

    Args:
        dictionary: (m, K) with unit-norm columns.
        a: (K, K) sum of s s^T.
        b: (m, K) sum of y s^T.

    Returns:
        The updated (m, K) dictionary.
    """
    atoms = dictionary.T.contiguous()  # rows, so that one atom is contiguous
    targets, usage = b.T, a.diagonal()
    for j in (usage > 0).nonzero().flatten().tolist():
        moved = (targets[j] - a[j] @ atoms) / usage[j] + atoms[j]
        norm = moved.norm()
        if norm > 0:
            atoms[j] = moved / norm
    return atoms.T


class OnlineDictionary:
    """Learns D from a stream: min over D, s of the mean of 1/2 ||y - D s||^2 + lmbda ||s||_1 (Mairal et al. 2009).

    The statistics A = sum s s^T and B = sum y s^T are sums over signals, so several processes that add theirs up learn
    the dictionary that one process learns from all signals. Old signals are forgotten as the journal
    version (2010) proposes: before batch t, A and B are multiplied by (1 - 1/t)^rho.

    Args:
        dictionary: (m, K) to start from, e.g. random signals; its columns are brought to unit norm.
        lmbda: weight of the l1 norm.
        rho: how fast old signals are forgotten; 0 never.

    Attributes:
        dictionary: (m, K), unit-norm columns.
    """

    def __init__(self, dictionary: Tensor, lmbda: float, rho: float = 2.0) -> None:
        norms = dictionary.norm(dim=0)
        if not (norms > 0).all():
            raise ValueError("`dictionary` must have no zero column to start from.")
        self.dictionary = dictionary / norms
        self.lmbda, self.rho = lmbda, rho
        self.batches = 0
        self._a = dictionary.new_zeros(dictionary.shape[1], dictionary.shape[1])
        self._b = torch.zeros_like(dictionary)

    def step(self, signals: Tensor, reduce: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> dict[str, float]:
        """Learn from one batch (N, m) of signals.

        Args:
            signals: this process's share of the batch.
            reduce: sums a tensor over the processes; all of them must call `step` together.

        Returns:
            `objective`, mean before the update, and `nonzeros`, their mean number a code.
        """
        codes, _ = lasso(signals, self.dictionary, self.lmbda, tolerance=1e-2, max_steps=1000)
        self.batches += 1
        kept = (1 - 1 / self.batches) ** self.rho
        objective = 0.5 * (signals - codes @ self.dictionary.T).square().sum() + self.lmbda * codes.abs().sum()
        counts = torch.stack([objective, (codes != 0).sum().to(objective), objective.new_tensor(len(signals))])
        self._a = kept * self._a + reduce(codes.T @ codes)
        self._b = kept * self._b + reduce(signals.T @ codes)
        objective, nonzeros, number = reduce(counts).tolist()
        self.dictionary = update_atoms(self.dictionary, self._a, self._b)
        number = max(number, 1)
        return {"objective": objective / number, "nonzeros": nonzeros / number}
