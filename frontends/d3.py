"""D3 (Moosavi-Dezfooli et al. 2018, "Divide, denoise, and defend against adversarial attacks")."""

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode import average_patches, extract_patches, full_precision, omp, sample_patches
from sparsefront.common.bounded_memory import map_runs, split_by_memory
from sparsefront.common.rules import at_least, between, check_rules, fits_and_covers, fraction, unit_interval
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.far_apart import far_apart
from sparsefront.frontends.settings.d3_learning import D3Learning

_LEARNING = D3Learning()
_MAX_BYTES = 2**30  # of codes; images are taken in runs to keep it


class D3(FrontEnd):
    """Every patch replaced by a sparse combination of patches of clean images, overlaps averaged.

    For each patch p: min ||p - D s||^2 with at most k nonzeros in s, by orthogonal matching pursuit (Moosavi-Dezfooli,
    Shrivastava and Tuzel 2018). The atoms of D are patches of clean images, of unit norm; a random one is taken only
    if it is far from those taken before: |<d, d'>| <= `max_correlation` for any two.

    `n_atoms` and `n_nonzero_coefs` are those of D3 (10K-5) in paper 002's Table 3. Patch size, stride, the threshold
    and the random subset are this project's: they were not taken from the publication.

    Backward modes: `identity` is the default. `exact` is the derivative with the choice of atoms held, the projection
    of each patch onto its atoms, averaged: it passes the part of a gradient that such patches can show.

    Args:
        image_shape: (C, H, W) of the images.
        n_atoms: most atoms of D; fewer where no more were found that are far apart.
        n_nonzero_coefs: k, atoms that make up one patch.
        patch_size: side n of the square patches, in pixels.
        stride: pixels between patches, at most n; n itself for patches that do not overlap.
        max_correlation: of two atoms, in (0, 1]; 1 takes every random patch.
        remove_mean: whether a patch's mean is set aside, and atoms have mean 0.
        atoms_share: share of the atoms, drawn anew in every call, that patches are made of; below 1 it is randomised.
        learning: how atoms are looked for, see `D3Learning`.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "identity"
    learns_from_original = True
    dictionary: Tensor
    n_chosen: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_atoms: int = 10_000,
        n_nonzero_coefs: int = 5,
        patch_size: int = 8,
        stride: int = 4,
        max_correlation: float = 0.98,
        remove_mean: bool = False,
        atoms_share: float | str = 1.0,
        learning: D3Learning = _LEARNING,
    ) -> None:
        super().__init__(image_shape)
        self.n_atoms, self.n_nonzero_coefs, self.patch_size, self.stride = n_atoms, n_nonzero_coefs, patch_size, stride
        self.max_correlation, self.remove_mean = max_correlation, remove_mean
        self.atoms_share = fraction(atoms_share, "atoms_share")
        self.learning, self.n_learning_steps = learning, learning.n_iterations
        self._check_settings()
        self.randomised = self.atoms_share < 1
        self.register_buffer("dictionary", torch.zeros(self.image_shape[0] * patch_size**2, n_atoms))
        self.register_buffer("n_chosen", torch.tensor(0))
        self.learned.fill_(False)

    def _check_settings(self) -> None:
        rules = [
            *at_least(1, n_atoms=self.n_atoms),
            *fits_and_covers(self.image_shape, self.patch_size, self.stride),
            *between(1, ("n_atoms", self.n_atoms), n_nonzero_coefs=self.n_nonzero_coefs),
            *unit_interval(max_correlation=self.max_correlation, atoms_share=self.atoms_share),
        ]
        check_rules(rules)

    @full_precision
    def forward(self, images: Tensor) -> Tensor:
        """Map (B, C, H, W) images to images of the same shape made of clean patches."""
        self.check_learned()
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        atoms = F.normalize(self._drawn_atoms().to(exact.dtype), dim=0)  # lower precision rounds them
        rows, columns = (-(-(side - self.patch_size) // self.stride) + 1 for side in images.shape[2:])
        # Besides its code a patch has its scores and what autograd keeps of them.
        bytes_each = 3 * atoms.shape[1] * exact.element_size() * rows * columns
        runs = split_by_memory(exact, bytes_each, _MAX_BYTES)
        return torch.cat(map_runs(partial(self._restore, atoms=atoms), runs)).to(images.dtype)

    def _restore(self, images: Tensor, atoms: Tensor) -> Tensor:
        patches = extract_patches(images, self.patch_size, self.stride, cover=True)
        means = patches.mean(dim=2, keepdim=True) if self.remove_mean else 0
        gradient: Literal["implicit", "none"] = "implicit" if images.requires_grad else "none"
        n_nonzero_coefs = min(self.n_nonzero_coefs, atoms.shape[1])
        codes = omp((patches - means).flatten(0, 1), atoms, n_nonzero_coefs, gradient=gradient).codes
        restored = (codes @ atoms.T).view_as(patches) + means
        averaged = average_patches(restored, (images.shape[2], images.shape[3]), self.patch_size, self.stride)
        return averaged.clamp(0, 1)

    def _drawn_atoms(self) -> Tensor:
        chosen = self.dictionary[:, : int(self.n_chosen)]
        if not self.randomised:
            return chosen
        order = torch.rand(chosen.shape[1], device=chosen.device).argsort()
        return chosen[:, order[: math.ceil(self.atoms_share * len(order))]]

    def atoms(self) -> Tensor:
        """The first atoms, at most 256, as pictures (L, C, n, n)."""
        shown = self.dictionary[:, : min(int(self.n_chosen), 256)]
        return shown.T.reshape(-1, self.image_shape[0], self.patch_size, self.patch_size)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Take atoms from the random patches of (B, C, H, W) images, the same ones on every process."""
        n_chosen = int(self.n_chosen)
        if n_chosen == self.n_atoms:
            return {"atoms": float(n_chosen)}
        share = self.processes.share(self.learning.patches_per_iteration)
        patches = sample_patches(images, self.patch_size, 1, share, self.learning_draws(self.learning.seed))
        candidates = self.processes.rows(patches)
        if self.remove_mean:
            candidates = candidates - candidates.mean(dim=1, keepdim=True)
        norms = candidates.norm(dim=1, keepdim=True)
        candidates = (candidates / norms)[norms[:, 0] > 1e-4]  # blank ones have no direction
        far = candidates[far_apart(candidates, self.dictionary[:, :n_chosen].T, self.max_correlation)]
        far = far[: self.n_atoms - n_chosen]
        self.dictionary[:, n_chosen : n_chosen + len(far)] = far.T
        self.n_chosen += len(far)
        if not self.n_chosen:
            raise ValueError("The first batch must hold patches that are not blank, found none; raise the batch size.")
        return {"atoms": float(self.n_chosen)}
