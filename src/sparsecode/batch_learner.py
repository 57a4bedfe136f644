"""Dictionary learning in passes over the patches of the first steps."""

from collections.abc import Callable

from torch import Tensor

from sparsecode._named_kinds import named_kinds
from sparsecode.coded import Coded
from sparsecode.method_of_optimal_directions import MethodOfOptimalDirections

Reduce = Callable[[Tensor], Tensor]


class BatchLearner:
    """Keeps the patches of the first steps, then passes over them, one pass a step (Engan et al. 1999).

    Args:
        start: (K, m) patches to start from.
        coder: codes patches (N, m) with a dictionary (m, K).
        n_kept: number of steps whose patches are kept: all the memory that is used.
    """

    @named_kinds
    def __init__(self, start: Tensor, coder: Callable[[Tensor, Tensor], Coded], n_kept: int) -> None:
        self._learner = MethodOfOptimalDirections(start.T, coder)
        self._kept: list[Tensor] = []
        self._n_kept = n_kept

    @property
    def dictionary(self) -> Tensor:
        """The dictionary (m, K) as learned so far, with columns of unit norm."""
        return self._learner.dictionary

    def step(self, patches: Tensor, reduce: Reduce) -> dict[str, float]:
        """Keep (N, m) `patches`, or pass over those kept; `reduce` sums a tensor over processes."""
        if len(self._kept) < self._n_kept:
            self._kept.append(patches)
            return {}
        for kept in self._kept:
            self._learner.add(kept)
        return self._learner.update(reduce)
