"""How patch dictionaries are learned in other ways than online: in passes, and by scikit-learn's factorisations."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode import Coded, MethodOfOptimalDirections

Reduce = Callable[[Tensor], Tensor]


class BatchLearner:
    """Keeps the patches of the first steps, then passes over them, one pass a step (Engan et al. 1999).

    Args:
        start: (K, m) patches to start from.
        coder: codes patches (N, m) with a dictionary (m, K).
        n_kept: number of steps whose patches are kept: all the memory that is used.
    """

    def __init__(self, start: Tensor, coder: Callable[[Tensor, Tensor], Coded], n_kept: int) -> None:
        self._learner = MethodOfOptimalDirections(start.T, coder)
        self._kept: list[Tensor] = []
        self._n_kept = n_kept

    @property
    def dictionary(self) -> Tensor:
        """(m, K), unit-norm columns."""
        return self._learner.dictionary

    def step(self, patches: Tensor, reduce: Reduce) -> dict[str, float]:
        """Keep (N, m) `patches`, or pass over those kept; `reduce` sums a tensor over processes."""
        if len(self._kept) < self._n_kept:
            self._kept.append(patches)
            return {}
        for kept in self._kept:
            self._learner.add(kept)
        return self._learner.update(reduce)


class Factorisation:
    """PCA or non-negative factorisation of a stream of patches, by scikit-learn's incremental estimators.

    Args:
        kind: `pca`: orthonormal atoms, the directions of largest variance around the patches' mean; `nmf`: atoms >= 0.
        start: (K, m) first patches, on which the factorisation starts; K is the number of atoms.
        seed: of the random start of `nmf`.
    """

    def __init__(self, kind: Literal["pca", "nmf"], start: Tensor, seed: int) -> None:
        # Here, because scikit-learn takes longer to import than all front ends together.
        from sklearn.decomposition import IncrementalPCA, MiniBatchNMF

        self._pca = kind == "pca"
        self._model = (
            IncrementalPCA(len(start)) if self._pca else MiniBatchNMF(len(start), forget_factor=0.9, random_state=seed)
        )
        self._like = start
        self.step(start)

    def step(self, patches: Tensor) -> None:
        """Learn from (N, m) `patches`, the same ones on every process."""
        if len(patches):
            self._model.partial_fit(patches.double().cpu().numpy())

    @property
    def dictionary(self) -> Tensor:
        """(m, K), unit-norm columns."""
        atoms = torch.from_numpy(self._model.components_).to(self._like)
        # An atom that went out altogether comes back flat: every dictionary has unit norms.
        return F.normalize(torch.where(atoms.norm(dim=1, keepdim=True) > 0, atoms, 1.0), dim=1).T

    @property
    def offset(self) -> Tensor:
        """What is taken off a patch (m,) before it is coded: the mean patch for `pca`, zero for `nmf`."""
        return torch.from_numpy(self._model.mean_).to(self._like) if self._pca else torch.zeros_like(self._like[0])
