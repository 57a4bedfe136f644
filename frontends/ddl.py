"""Denoising dictionary learning (paper 000: Mitro, Bridge and Prestwich 2018)."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode import (
    BatchLearner,
    Coded,
    Factorisation,
    OnlineDictionary,
    average_patches,
    extract_patches,
    full_precision,
    lasso,
    omp,
    sample_patches,
    value_with_gradient_of,
)
from sparsefront.common.bounded_memory import map_runs, split_by_memory
from sparsefront.common.changes.step import Step
from sparsefront.common.random import generator_of
from sparsefront.common.rules import (
    at_least,
    between,
    check_rules,
    fits_and_covers,
    one_of,
    positive,
)
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.parts.factorisation_learner import FactorisationLearner
from sparsefront.frontends.parts.first_atoms import first_atoms, without_flat
from sparsefront.frontends.parts.patch_code_steps import patch_code_steps
from sparsefront.frontends.parts.patch_learner import PatchLearner
from sparsefront.frontends.parts.zero_tiny_patches import zero_tiny_patches
from sparsefront.frontends.settings.ddl_learning import DDLLearning

_LEARNING = DDLLearning()
_MAX_BYTES = 2**28  # of working memory; images are taken in runs to keep it
_N_NONZERO_COEFS = 2  # the default
_FOLLOWED = 2  # nonzeros at most where changes are


class DDL(FrontEnd):
    """Restores images from sparse codes of their overlapping patches: denoising dictionary learning (paper 000).

    Every overlapping patch y of n x n pixels and all channels is a vector. With b its mean and D the dictionary, it
    becomes b + D s, where s minimises ||y - b - D s||^2 over at most k nonzeros, found greedily (Algorithm 1); every
    pixel of the image is then the mean of all patches that hold it, clamped to [0, 1].

    D is learned before, without labels (Algorithm 2): min over D, s of the mean of 1/2 ||y - b - D s||^2 +
    lmbda ||s||_1 over random patches (online: Mairal et al. 2009), atoms of unit norm. Beyond that paper and Algorithm
    2, earlier batches are forgotten, by (1 - 1/t)^2 before batch t, and atoms that nothing uses make room for patches.
    With `learner: batch`, s are the codes of Algorithm 1 itself and D their least-squares fit, in passes over patches
    that are kept.

    Algorithm 1 as printed takes the atom that lowers the residual most, which is order-recursive matching pursuit
    (`ormp`), though the text calls it OMP and its atom the most correlated one; that is `omp`, which is also
    scikit-learn's.

    The paper says "38 atoms for MNIST and 2 atoms for CIFAR10", which may mean the dictionary's size (`n_atoms`) or the
    nonzeros of one code (`n_nonzero_coefs`). It also calls its dictionary "redundant, over-complete", which 38 atoms
    are not for the 64 pixels of a patch, so the second reading is the default here, with its 2 nonzeros: of 64 pixels,
    38 nonzeros leave nearly every perturbation in place. 256 atoms are over-complete in gray and in color.

    The paper also names other factorisations. `pca`: orthonormal D and the mean patch, from scikit-learn; coded as
    above, with `n_nonzero_coefs: null` the projection onto the span of all atoms. `nmf`: D >= 0, from scikit-learn, of
    patches whose mean stays; coded by s >= 0 that minimises 1/2 ||y - D s||^2 + lmbda ||s||_1.

    The paper's dictionaries are learned from clean patches (Y) or from perturbed ones (Y*, Y dagger), by which it means
    adversarial ones. Those are not offered: they need a classifier and its labels, which are trained only after the
    dictionary. `learning.noise` is random noise of the attack's size, which no classifier has aimed: `sign` has the
    magnitude of a sign-gradient attack in every pixel, but random signs. Noisy images are clamped to [0, 1].

    Backward modes:

    * `projection` (the default): the derivative with the chosen atoms held: the mean, plus the projection of the rest
      onto their span; through the clamp as if it were not there.
    * `exact`: the same, but zero where the clamp acts, which is the true derivative wherever the choice of atoms does
      not change. The choice itself has no derivative.
    * `identity`: the gradient of handing the image on, which costs no more than the value.

    Memory: images are taken in runs whose working memory is bounded; one image is the smallest run, about
    (4 m + 3 `n_atoms`) numbers a patch of m entries.

    Args:
        image_shape: (C, H, W) of the images.
        n_atoms: number of atoms; ours. At most C `patch_size`^2 for `pca`.
        n_nonzero_coefs: k, most atoms in one patch's code; the paper's for CIFAR-10, read as above. None takes all.
            Not with `nmf`, whose codes have as many nonzeros as `lmbda` leaves.
        patch_size: side n of the square patches, in pixels; the paper's.
        stride: pixels from one patch to the next; the paper's patches overlap, by how much it does not say. Patches
            flush with the lower and right border are always among them.
        rule: `ormp` (the paper's Algorithm 1 as printed) or `omp`; not with `nmf`.
        factors: `dictionary` (the paper's), `pca` or `nmf`.
        lmbda: weight of ||s||_1 while the dictionary is learned online, and in every code of `nmf`; ours, in pixels.
            Counts there alone: neither with `batch` nor with `pca`.
        learning: how the dictionary is learned, see `DDLLearning`; `learner: batch` with `factors: dictionary` alone.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "projection"
    dictionary: Tensor
    offset: Tensor
    _learner: PatchLearner | FactorisationLearner | None = None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_atoms: int = 256,
        n_nonzero_coefs: int | None = _N_NONZERO_COEFS,
        patch_size: int = 8,
        stride: int = 1,
        rule: Literal["omp", "ormp"] = "ormp",
        factors: Literal["dictionary", "pca", "nmf"] = "dictionary",
        lmbda: float = 0.2,
        learning: DDLLearning = _LEARNING,
    ) -> None:
        super().__init__(image_shape)
        self.n_atoms, self.patch_size, self.stride, self.rule = n_atoms, patch_size, stride, rule
        self.n_nonzero_coefs = n_atoms if n_nonzero_coefs is None else n_nonzero_coefs
        self.factors, self.lmbda, self.learning = factors, lmbda, learning
        self._bounds_nonzeros = n_nonzero_coefs not in (None, _N_NONZERO_COEFS)
        self._check_settings()
        self.n_learning_steps = learning.n_steps
        length = self.image_shape[0] * patch_size**2
        self.register_buffer("dictionary", torch.zeros(length, n_atoms))
        self.register_buffer("offset", torch.zeros(length))
        self.learned.fill_(False)

    def _check_settings(self) -> None:
        length = self.image_shape[0] * self.patch_size**2
        for_all = "lower it, raise `n_atoms`, or write null for all"
        nonzero = between(1, ("n_atoms", self.n_atoms), for_all, n_nonzero_coefs=self.n_nonzero_coefs)
        rules = [
            *one_of(("omp", "ormp"), rule=self.rule),
            *one_of(("dictionary", "pca", "nmf"), factors=self.factors),
            *at_least(1, n_atoms=self.n_atoms),
            *fits_and_covers(self.image_shape, self.patch_size, self.stride),
            *(nonzero if self.factors != "nmf" else ()),
            *positive(lmbda=self.lmbda),
            (
                self.factors != "pca" or self.n_atoms <= length,
                f"`n_atoms` must be at most the {length} entries of a patch with `factors: pca`, found {self.n_atoms}; "
                "there are no more orthonormal atoms.",
            ),
            (
                self.learning.learner == "online" or self.factors == "dictionary",
                f"`learner` must be left at online with `factors: {self.factors}`, found {self.learning.learner}; the "
                "factorisations have learners of their own.",
            ),
            (
                self.factors != "nmf" or not (self._bounds_nonzeros or self.rule == "omp"),
                "`n_nonzero_coefs` and `rule` must be left out with `factors: nmf`, found "
                f"{self.n_nonzero_coefs} and {self.rule}; its codes are a LASSO's, which `lmbda` makes sparse.",
            ),
        ]
        check_rules(rules)

    def forward(self, images: Tensor) -> Tensor:
        """Restore (B, C, H, W) images in [0, 1] from the sparse codes of their patches."""
        return self._in_runs(images, past_clamp=False)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`exact`, `projection` and `identity`."""
        return {**super().backward_modes(), "projection": self._projection}

    def _projection(self) -> ImageMap:
        return partial(self._in_runs, past_clamp=True)

    def _in_runs(self, images: Tensor, past_clamp: bool) -> Tensor:
        """The restored images, a bounded number of them at a time."""
        self.check_learned()
        self.check_kind(images, self.patch_size)
        rows, columns = (-(-(side - self.patch_size) // self.stride) + 1 for side in images.shape[-2:])
        # Of a patch: itself, what is coded, what is restored and where it is added; its correlations and code.
        numbers_each = 4 * self.dictionary.shape[0] + 3 * self.n_atoms
        bytes_each = rows * columns * numbers_each * max(images.element_size(), 4)
        runs = split_by_memory(images, bytes_each, _MAX_BYTES)
        return torch.cat(map_runs(partial(self._restore, past_clamp=past_clamp), runs))

    @full_precision
    def _restore(self, images: Tensor, past_clamp: bool) -> Tensor:
        working = torch.promote_types(images.dtype, torch.float32)
        dictionary = F.normalize(self.dictionary.to(working), dim=0)  # rounded to half precision, norms are not quite 1
        patches = extract_patches(images.to(working), self.patch_size, self.stride, cover=True)
        base = self._base(patches) + self.offset.to(working)
        codes = self._code(zero_tiny_patches((patches - base).flatten(0, 1)), dictionary).codes
        restored = (codes @ dictionary.T).unflatten(0, patches.shape[:2]) + base
        averaged = average_patches(restored, (images.shape[2], images.shape[3]), self.patch_size, self.stride)
        clamped = averaged.clamp(0, 1)
        restored = value_with_gradient_of(averaged, clamped.detach()) if past_clamp else clamped
        return restored.to(images.dtype)

    def _base(self, patches: Tensor) -> Tensor:
        """What is taken off patches (..., m) before they are coded and given back after: their means, or nothing."""
        return patches.mean(dim=-1, keepdim=True) * (self.factors != "nmf")

    def _code(self, patches: Tensor, dictionary: Tensor) -> Coded:
        wants_gradient = patches.requires_grad and torch.is_grad_enabled()
        gradient: Literal["implicit", "none"] = "implicit" if wants_gradient else "none"
        if self.factors == "nmf":
            return lasso(patches, dictionary, self.lmbda, positive=True, tolerance=1e-4, gradient=gradient)
        return omp(patches, dictionary, self.n_nonzero_coefs, rule=self.rule, gradient=gradient, max_bytes=_MAX_BYTES)

    def change_steps(self) -> list[Step] | None:
        """Correlations, codes, and the mean of the patches; None but of one or two atoms in patches on a whole grid."""
        off_grid = any((side - self.patch_size) % self.stride for side in self.image_shape[1:])
        if self.factors != "dictionary" or self.n_nonzero_coefs > _FOLLOWED or off_grid:
            return None
        dictionary = F.normalize(self.dictionary, dim=0)
        return patch_code_steps(dictionary, self.image_shape, self.stride, self.n_nonzero_coefs, self.rule == "ormp")

    def atoms(self) -> Tensor:
        """The dictionary as pictures (L, C, n, n)."""
        return self.dictionary.detach().T.reshape(self.n_atoms, -1, self.patch_size, self.patch_size)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """One iteration of the learner on random patches of (B, C, H, W) images."""
        if self._learner is None:
            self._learner = self._start_learner(images)
        n_patches = self.processes.share(self.learning.patches_per_iteration)
        patches = self._draw(images, n_patches, self.learning_draws(self.learning.seed))
        metrics = self._learner.step(patches)
        self.dictionary.copy_(self._learner.dictionary)
        if isinstance(self._learner, FactorisationLearner):
            self.offset.copy_(self._learner.offset)
        return metrics

    def _draw(self, images: Tensor, number: int, generator: torch.Generator) -> Tensor:
        """At most `number` random patches (N, m) as the learner sees them, flat ones left out."""
        images = self.learning.with_noise(images, generator)
        patches = sample_patches(images, self.patch_size, self.stride, 2 * number, generator)
        return without_flat(patches - self._base(patches))[:number].clone()  # a view would keep them all

    def _start_learner(self, images: Tensor) -> PatchLearner | FactorisationLearner:
        """Start from patches of the first batch."""
        patches = self._draw(images, self.n_atoms, generator_of(self.learning.seed, -1))
        atoms = first_atoms(patches, self.n_atoms, self.processes)
        if self.factors != "dictionary":
            factorisation = Factorisation(self.factors, atoms, self.learning.seed)
            return FactorisationLearner(factorisation, self.processes, lambda *given: self._code(*given).codes)
        if self.learning.learner == "batch":
            return PatchLearner(BatchLearner(atoms, self._code, self.learning.n_iterations), self.processes)
        coder = partial(lasso, lmbda=self.lmbda, tolerance=1e-2)
        return PatchLearner(OnlineDictionary(atoms.T, coder), self.processes)
