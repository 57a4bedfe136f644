"""Factorisations of a stream of patches."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._named_kinds import named_kinds


class Factorisation:
    """PCA or non-negative factorisation of a stream of patches, by scikit-learn's incremental estimators.

    Args:
        kind: `pca`: orthonormal atoms, the directions of largest variance around the patches' mean; `nmf`: atoms >= 0.
        start: (K, m) first patches, on which the factorisation starts; K is the number of atoms.
        seed: of the random start of `nmf`.
    """

    @named_kinds
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
        """The dictionary (m, K) as learned so far, with columns of unit norm."""
        atoms = torch.from_numpy(self._model.components_).to(self._like)
        # An atom that went out altogether comes back flat: every dictionary has unit norms.
        return F.normalize(torch.where(atoms.norm(dim=1, keepdim=True) > 0, atoms, 1.0), dim=1).T

    @property
    def offset(self) -> Tensor:
        """What is taken off a patch (m,) before it is coded: the mean patch for `pca`, zero for `nmf`."""
        return torch.from_numpy(self._model.mean_).to(self._like) if self._pca else torch.zeros_like(self._like[0])
