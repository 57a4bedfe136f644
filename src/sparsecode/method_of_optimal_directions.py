"""Dictionary learning in passes over all signals."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sparsecode._moments import Moments
from sparsecode._named_kinds import named_kinds
from sparsecode._unit_norm import unit_norm
from sparsecode.coded import Coded
from sparsecode.dead_atoms import dead_atoms, replace_atoms, worst_signals
from sparsecode.full_precision import full_precision
from sparsecode.update_atoms import update_atoms

# Share of the way to the optimum at which halving it has shown that no share of it helps.
_SHORTEST = 1 / 16


class MethodOfOptimalDirections:
    """Learns D in passes over all signals: min over D, s of the sum of 1/2 ||y - D s||^2 + lmbda ||s||_1.

    Engan et al. (1999): a pass codes every signal, then D is the least-squares fit of all signals by their codes,
    D = B A^-1 with A = sum s s^T and B = sum y s^T, its atoms brought to unit norm. To scale an atom and its
    coefficients against each other changes neither supports nor residuals, so with coders that bound the number of
    nonzeros (OMP: lmbda = 0) no step is better for the codes of the pass. It would change ||s||_1, so with lmbda > 0
    the atoms move on the unit sphere instead, by one pass of `update_atoms`.

    The sums are all that is kept of the signals, which may therefore be a stream, and processes add theirs up.

    A greedy coder may still code worse with a better dictionary. So where a pass shows that the objective rose, the
    next one tries half of the way from the best dictionary so far to its optimum; after 1/16 of it the best one stays.

    Atoms that no signal of a pass used, or that nearly equal another, make room for its worst represented signals.

        for _ in range(20):
            for signals in stream:
                learner.add(signals)
            learner.update()

    Args:
        dictionary: (m, K) to start from, e.g. random signals; its columns are brought to unit norm.
        coder: codes signals (N, m) with a dictionary (m, K), e.g. `partial(omp, n_nonzero_coefs=5)`.
        lmbda: weight of ||s||_1 in the coder's own objective, so that a LASSO may code; 0 for OMP.

    Attributes:
        dictionary: (m, K), unit-norm columns, at least float32; what the next pass codes with.
        converged: whether no share of the last step lowered the objective, so that passes change nothing any more.

    Raises:
        ValueError: a zero column, or `lmbda` below 0.
    """

    @named_kinds
    def __init__(self, dictionary: Tensor, coder: Callable[[Tensor, Tensor], Coded], *, lmbda: float = 0.0) -> None:
        if not lmbda >= 0:
            raise ValueError(f"`lmbda` must be at least 0, found {lmbda}.")
        self.dictionary = unit_norm(dictionary)
        self.coder, self.lmbda, self.converged = coder, lmbda, False
        self._best = self._optimum = self.dictionary
        self._objective, self._share = torch.inf, 1.0
        self._start_pass()

    def _start_pass(self) -> None:
        # Summed in double precision: a pass may be long, and A may be nearly singular.
        self._sums = torch.zeros_like(Moments(self.dictionary).sums, dtype=torch.float64)
        self._worst, self._errors = self.dictionary.T[:0], self.dictionary[0, :0]

    @full_precision
    @torch.no_grad()
    def add(self, signals: Tensor) -> None:
        """Code the next (N, m) signals of the pass, or of this process's share of it."""
        if not len(signals):
            return
        signals = signals.detach().to(self.dictionary.dtype)
        moments = Moments(self.dictionary)
        errors = moments.add(signals, self.dictionary, self.coder(signals, self.dictionary)[0])
        self._sums += moments.sums
        errors, signals = torch.cat([self._errors, errors]), torch.cat([self._worst, signals])
        self._errors, kept = errors.topk(min(self.dictionary.shape[1], len(errors)))
        self._worst = signals[kept]

    @full_precision
    @torch.no_grad()
    def update(self, reduce: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> dict[str, float]:
        """End the pass: step to the next dictionary.

        Args:
            reduce: sums a tensor over the processes; all of them must call `update` together.

        Returns:
            Means over the pass: `objective`, `half_residual` 1/2 ||y - D s||^2, `l1` ||s||_1 and `nonzeros`; and
            `replaced`, the number of atoms.

        Raises:
            ValueError: a pass without signals.
        """
        pass_ = Moments(self.dictionary, reduce(self._sums))
        if not pass_.counts[4] > 0:
            raise ValueError("`add` must be given signals before `update`, found none.")
        means, replaced = pass_.means(), 0
        means["objective"] = means["half_residual"] + self.lmbda * means["l1"]
        if means["objective"] < self._objective:
            self._objective, self._share, self._best = means["objective"], 1.0, self.dictionary
            best_atoms = update_atoms if self.lmbda else optimal_atoms
            self._optimum = best_atoms(self._best, pass_.a, pass_.b)
            replaced = self._go_to_optimum(pass_, reduce)
        elif self._share > _SHORTEST:
            self._share /= 2
            self.dictionary = normalize(self._best + self._share * (self._optimum - self._best), dim=0)
        else:
            self.dictionary, self.converged = self._best, True
        self._start_pass()
        return {**means, "replaced": replaced}

    def _go_to_optimum(self, moments: Moments, reduce: Callable[[Tensor], Tensor]) -> int:
        """Go to the optimum, its dead atoms replaced."""
        self.dictionary = normalize(self._optimum, dim=0)
        dead = dead_atoms(self.dictionary, moments.a.diagonal(), signed=bool(moments.counts[3] > 0))
        if not dead.any():
            return 0
        worst = worst_signals(self._worst, self._errors, int(dead.sum()), reduce)
        return len(replace_atoms(self.dictionary, dead, worst))


def optimal_atoms(dictionary: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The minimiser of 1/2 tr(D^T D A) - tr(D^T B), that nearest the dictionary where it is not unique.

    D + (B - D A) A^+; each atom's coefficients are first brought to unit energy, so that atoms that are seldom used are
    not taken for null directions.

    Args:
        dictionary: (m, K).
        a: (K, K) sum of s s^T.
        b: (m, K) sum of y s^T.

    Returns:
        (m, K), of the dictionary's dtype; norms are free.
    """
    scales = a.diagonal().rsqrt().nan_to_num(posinf=0.0)
    inverse = torch.linalg.pinv(
        scales[:, None] * a * scales, rtol=len(a) * torch.finfo(dictionary.dtype).eps, hermitian=True
    )
    wanting = b - dictionary.to(b.dtype) @ a
    updated: Tensor = dictionary + ((wanting * scales) @ inverse * scales).to(dictionary.dtype)
    return updated
