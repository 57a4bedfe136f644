"""Online dictionary learning."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsecode._moments import Moments
from sparsecode._named_kinds import named_kinds
from sparsecode._unit_norm import unit_norm
from sparsecode.coded import Coded
from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals
from sparsecode.full_precision import full_precision
from sparsecode.update_atoms import update_atoms


class OnlineDictionary:
    """Learns D from a stream: min over D of the mean over y of min over s of 1/2 ||y - D s||^2 + penalty(s).

    Mairal et al. (2009): code a batch, add its statistics A = sum s s^T and B = sum y s^T to those of the batches
    before, take one pass of block-coordinate descent over the atoms. Old signals are forgotten as the journal version
    (2010) proposes: before batch t, A and B are multiplied by (1 - 1/t)^rho.

    The statistics are sums over signals, so several processes that add theirs up learn the dictionary that one process
    learns from all signals. Nothing is drawn at random: the same start and stream give the same dictionary.

    Atoms that none of the last `dead_after` signals used, or that nearly equal another, make room for the signals of
    the last batch that the dictionary represents worst.

    Args:
        dictionary: (m, K) to start from, e.g. random signals; its columns are brought to unit norm.
        coder: codes signals (N, m) with a dictionary (m, K), e.g. `partial(lasso, lmbda=1.0, tolerance=1e-2)`.
        rho: how fast old signals are forgotten; 0 never.
        dead_after: signals between two looks for dead atoms; 10 K if absent, infinity never looks.

    Attributes:
        dictionary: (m, K), unit-norm columns, at least float32.

    Raises:
        ValueError: a zero column, `rho` below 0 or `dead_after` below 1.
    """

    @named_kinds
    def __init__(
        self,
        dictionary: Tensor,
        coder: Callable[[Tensor, Tensor], Coded],
        *,
        rho: float = 2.0,
        dead_after: float | None = None,
    ) -> None:
        self.dictionary = unit_norm(dictionary)
        if not rho >= 0:
            raise ValueError(f"`rho` must be at least 0, found {rho}.")
        if dead_after is not None and not dead_after >= 1:
            raise ValueError(f"`dead_after` must be at least 1 signal, found {dead_after}; infinity never looks.")
        self.coder, self.rho = coder, rho
        self.dead_after = 10 * dictionary.shape[1] if dead_after is None else dead_after
        self.batches = 0
        self._past = Moments(self.dictionary)
        self._start_window()

    @full_precision
    @torch.no_grad()
    def step(self, signals: Tensor, reduce: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> dict[str, float]:
        """Learn from one batch of signals.

        Args:
            signals: (N, m), this process's share of the batch; N may differ between processes and be 0.
            reduce: sums a tensor over the processes; all of them must call `step` together.

        Returns:
            Means over the batch before the update: `half_residual` 1/2 ||y - D s||^2, `l1` ||s||_1 and `nonzeros`, so
            that a LASSO's objective is half_residual + lmbda * l1; and `replaced`, the number of atoms.
        """
        signals = signals.detach().to(self.dictionary.dtype)
        batch = Moments(self.dictionary)
        codes = self.coder(signals, self.dictionary)[0] if len(signals) else signals @ self.dictionary
        errors = batch.add(signals, self.dictionary, codes)
        batch = Moments(self.dictionary, reduce(batch.sums))
        self.batches += 1
        self._past.sums.mul_((1 - 1 / self.batches) ** self.rho).add_(batch.sums)
        self.dictionary = update_atoms(self.dictionary, self._past.a, self._past.b)
        self._usage += batch.a.diagonal()
        self._counts += batch.counts
        replaced = self._replace(signals, errors, reduce) if self._counts[4] >= self.dead_after else 0
        return {**batch.means(), "replaced": replaced}

    def _start_window(self) -> None:
        """Forget what was seen since the last look for dead atoms."""
        self._usage = self._past.a.new_zeros(len(self._past.a))
        self._counts = torch.zeros_like(self._past.counts, dtype=torch.float64)

    def _replace(self, signals: Tensor, errors: Tensor, reduce: Callable[[Tensor], Tensor]) -> int:
        """Give dead atoms the directions of the batch's worst represented signals; their past is forgotten."""
        dead = dead_atoms(self.dictionary, self._usage, signed=bool(self._counts[3] > 0))
        self._start_window()
        if not dead.any():
            return 0
        worst = worst_signals(signals, errors, int(dead.sum()), reduce)
        replaced = replace_atoms(self.dictionary, dead, worst)
        self._past.a[replaced], self._past.a[:, replaced], self._past.b[:, replaced] = 0, 0, 0
        return len(replaced)
