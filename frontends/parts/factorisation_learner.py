"""How front ends learn factorisations of patches."""

from collections.abc import Callable

from torch import Tensor

from sparsecode import Factorisation
from sparsefront.common.processes import Processes
from sparsefront.frontends.parts.learner import Learner


class FactorisationLearner(Learner):
    """Lets all processes learn one factorisation, each from the patches of all: these learners have no sums to add up.

    Args:
        factorisation: the same on every process (see `first_atoms`).
        processes: that learn together.
        code: codes patches (N, m), without their offset, with a dictionary (m, K): (N, K).
    """

    def __init__(
        self, factorisation: Factorisation, processes: Processes, code: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        self._factorisation, self._processes, self._code = factorisation, processes, code

    @property
    def dictionary(self) -> Tensor:
        """(m, K), unit-norm columns, the same on every process."""
        return self._factorisation.dictionary

    @property
    def offset(self) -> Tensor:
        """(m,), what is taken off a patch before it is coded."""
        return self._factorisation.offset

    def step(self, batch: Tensor) -> dict[str, float]:
        """Learn from patches (N, m) of this process; return half the mean squared residual of all processes'."""
        patches = self._processes.rows(batch.cpu())
        self._factorisation.step(patches)
        centred = patches - self.offset
        residuals = centred - self._code(centred, self.dictionary) @ self.dictionary.T
        return {"half_residual": 0.5 * residuals.square().sum(dim=1).mean().item()}
