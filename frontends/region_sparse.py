"""RegionSparse (paper 004)."""

from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode import (
    Coded,
    OnlineDictionary,
    PatchGrid,
    full_precision,
    lasso,
    omp,
    overcomplete_dct,
)
from sparsefront.common.random import generator_of
from sparsefront.common.rules import (
    at_least,
    between,
    check_rules,
    fits_and_covers,
    one_of,
)
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.benign_patches import SMOOTHING_PATCH, benign_patches
from sparsefront.frontends.parts.coded_patches import coded_patches
from sparsefront.frontends.parts.first_atoms import first_atoms, without_flat
from sparsefront.frontends.parts.patch_learner import PatchLearner
from sparsefront.frontends.settings.background_filter import BackgroundFilter
from sparsefront.frontends.settings.object_region import ObjectRegion
from sparsefront.frontends.settings.region_sparse_codes import RegionSparseCodes
from sparsefront.frontends.settings.region_sparse_learning import RegionSparseLearning

Dictionary = Literal["learned", "dct", "random"]

_CODES, _REGION = RegionSparseCodes(), ObjectRegion()
_BACKGROUND, _LEARNING = BackgroundFilter(), RegionSparseLearning()


class RegionSparse(FrontEnd):
    """Sparse codes where the object is, a bilateral filter on the rest (paper 004, section IV).

    y(p) = sum over the patches i that hold pixel p of (theta c_i(p) + (1 - theta) b(p) if patch i touches the object
    region, else b(p)) / number of patches that hold p. b is the image after the bilateral filter, c_i the patch of
    the image restored from `codes.n_nonzero_coefs` atoms. Within the region y = theta c + (1 - theta) b, away from it
    y = b, and between the two the share of c falls over a patch's width, so that no seam is seen.

    `codes.theta` is equation 19's trade-off: the paper lets the regions decide it, 1 on the object and 0 off it, which
    is the default; less lets the filter have a share of the object too.

    Coding undoes equation 17's z-score, which the paper leaves open: every entry of a patch has a mean m and a
    deviation s over all patches of its image; z = (p - m) / s is coded by OMP, and c = m + s (Psi alpha).

    Learning, without labels (section IV-B): images smoothed by non-local means (equation 16), random patches of each,
    z-scored image by image, and online dictionary learning (Mairal et al. 2009; here earlier
    batches are forgotten, by (1 - 1/t)^2 before batch t, and atoms that nothing uses make room for patches).

    The region: see it by the method `region`. Where nothing is found, `region.fallback` decides.

    The paper's ablations: noTR `dictionary: dct` or `random`, noIS `learning.smoothing: false`, noPN
    `codes.normalise: none`, noBS `background: null`; whole-image coding `region.shape: all`.

    Backward modes: `exact` (the default), the derivative with the region held, through the least-squares fit on the
    atoms chosen, the z-score and the filter; true almost everywhere, since region and choice of atoms are piecewise
    constant; `identity`, which hands gradients on and so is not blind to directions that change the choice.

    Args:
        image_shape: (C, H, W) of the images.
        n_atoms: of the dictionary Psi (ours; the paper names none).
        patch_size: side n of the square patches, in pixels (ours).
        stride: pixels from one patch to the next, at most n (ours).
        dictionary: `learned`, `dct` (overcomplete cosines) or `random` (normal deviates); the last two learn nothing,
            and the settings of `learning` do not count, but for the `seed` of `random`.
        codes: how patches of the object are coded, see `RegionSparseCodes`.
        region: where the object is, see `ObjectRegion`.
        background: how the rest is filtered, see `BackgroundFilter`; null leaves it as it is.
        learning: how the dictionary is learned, see `RegionSparseLearning`.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    dictionary: Tensor
    _learner: PatchLearner | None = None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_atoms: int = 256,
        patch_size: int = 8,
        stride: int = 2,
        dictionary: Dictionary = "learned",
        codes: RegionSparseCodes = _CODES,
        region: ObjectRegion = _REGION,
        background: BackgroundFilter | None = _BACKGROUND,
        learning: RegionSparseLearning = _LEARNING,
    ) -> None:
        super().__init__(image_shape)
        self.n_atoms, self.patch_size, self.stride = n_atoms, patch_size, stride
        self.dictionary_kind, self.codes, self.object_region = dictionary, codes, region
        self.background, self.learning = background, learning
        self.n_learning_steps = learning.n_iterations
        self._check_settings()
        self.register_buffer("dictionary", self._first_dictionary())
        self.learned.fill_(dictionary != "learned")

    def _check_settings(self) -> None:
        smaller_side, fewest = min(self.image_shape[1:]), 2 if self.codes.normalise == "zscore" else 1
        rules = [
            *one_of(get_args(Dictionary), dictionary=self.dictionary_kind),
            *fits_and_covers(self.image_shape, self.patch_size, self.stride),
            *at_least(1, n_atoms=self.n_atoms),
            *between(1, ("n_atoms", self.n_atoms), n_nonzero_coefs=self.codes.n_nonzero_coefs),
            *at_least(fewest, "a z-score needs 2", patches_per_image=self.learning.patches_per_image),
            (
                smaller_side >= 2 or self.object_region.shape == "all",
                f"`image_shape` must have at least 2 pixels a side for the gradient that finds a region, found "
                f"{self.image_shape}; serve larger images, or code all of them by `region.shape: all`.",
            ),
            (
                smaller_side > SMOOTHING_PATCH // 2 or not self.learning.smoothing or self.dictionary_kind != "learned",
                f"`smoothing` needs images of at least {SMOOTHING_PATCH // 2 + 1} pixels a side, found "
                f"{self.image_shape[1:]}; switch it off.",
            ),
            (
                self.learning.lmbda is None or self.dictionary_kind == "learned",
                f"`lmbda` must be left out with `dictionary: {self.dictionary_kind}`, found {self.learning.lmbda}; "
                "nothing is learned.",
            ),
        ]
        check_rules(rules)
        if self.background is not None:
            self.background.check(self.image_shape)

    def _first_dictionary(self) -> Tensor:
        channels, length = self.image_shape[0], self.image_shape[0] * self.patch_size**2
        if self.dictionary_kind == "dct":
            return overcomplete_dct(self.n_atoms, channels, self.patch_size)
        if self.dictionary_kind == "random":
            generator = torch.Generator().manual_seed(self.learning.seed)
            return F.normalize(torch.randn(length, self.n_atoms, generator=generator), dim=0)
        return torch.zeros(length, self.n_atoms)

    def region(self, images: Tensor) -> Tensor:
        """The object region of (B, C, H, W) images, bool (B, 1, H, W), as it is coded: the fallback included."""
        return self.object_region.find(images)

    @full_precision
    def forward(self, images: Tensor) -> Tensor:
        """Code and filter (B, C, H, W) images."""
        self.check_learned()
        self.check_kind(images, self._smallest_side())
        working = images.to(torch.promote_types(images.dtype, torch.float32))
        grid = PatchGrid(working, self.patch_size, self.stride)
        chosen = grid.touching(self.region(images))
        theta, total = self.codes.theta, grid.coverage(torch.ones_like(chosen[:1]))
        of_codes = theta * grid.coverage(chosen)
        mixed = (theta * self._coded(working, grid, chosen) + (total - of_codes) * self._background(working)) / total
        return mixed.clamp(0, 1).to(images.dtype)

    def _smallest_side(self) -> int:
        """Pixels that a patch needs, and the mirrored borders of the gradient and of the filter."""
        of_filter = 1 if self.background is None else self.background.diameter // 2 + 1
        return max(self.patch_size, 1 if self.object_region.shape == "all" else 2, of_filter)

    def _background(self, images: Tensor) -> Tensor:
        if self.background is None or (self.object_region.shape == "all" and self.codes.theta == 1):
            return images  # in the latter case there is no background
        return self.background(images)

    def _coded(self, images: Tensor, grid: PatchGrid, chosen: Tensor) -> Tensor:
        """The sums (B, C, H, W) of all chosen patches, restored from their codes."""
        codes = self.codes
        return coded_patches(images, grid, chosen, self.dictionary, codes.n_nonzero_coefs, codes.normalise)

    def atoms(self) -> Tensor:
        """The dictionary as pictures (L, C, n, n)."""
        return self.dictionary.detach().T.reshape(self.n_atoms, -1, self.patch_size, self.patch_size)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """One step of the dictionary learner on random patches of (B, C, H, W) images."""
        learning, draws = self.learning, self.learning_draws(self.learning.seed)
        patches = benign_patches(
            images, self.patch_size, learning.patches_per_image, learning.smoothing_h, self.codes.normalise, draws
        )
        if self._learner is None:
            self._learner = self._start_learner(patches)
        metrics = self._learner.step(patches)
        self.dictionary.copy_(self._learner.dictionary)
        return metrics

    def _start_learner(self, patches: Tensor) -> PatchLearner:
        """Start from patches of the first batch."""
        patches = without_flat(patches.cpu())
        start = patches[torch.randperm(len(patches), generator=generator_of(self.learning.seed, -1))]
        coder: Callable[[Tensor, Tensor], Coded] = (
            partial(omp, n_nonzero_coefs=self.codes.n_nonzero_coefs)
            if self.learning.lmbda is None
            else partial(lasso, lmbda=self.learning.lmbda, tolerance=1e-2)
        )
        mend = "raise `data.batch_size` or `patches_per_image`, or lower `n_atoms`"
        atoms = first_atoms(start, self.n_atoms, self.processes, mend=mend)
        return PatchLearner(OnlineDictionary(atoms.T, coder), self.processes)
