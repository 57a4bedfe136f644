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
    cut_patches,
    full_precision,
    lasso,
    omp,
    overcomplete_dct,
    paste_patches,
)
from sparsefront.common.bounded_memory import map_runs, split_by_memory
from sparsefront.common.random import generator_of
from sparsefront.common.rules import (
    at_least,
    between,
    check_rules,
    fits_and_covers,
    from_0_to_1,
    number,
    one_of,
    positive,
)
from sparsefront.frontends.base import FrontEnd
from sparsefront.frontends.parts.benign_patches import SMOOTHING_PATCH, Normalise, benign_patches, deviation
from sparsefront.frontends.parts.bilateral_filter import bilateral_filter, check_bilateral
from sparsefront.frontends.parts.first_atoms import first_atoms, without_flat
from sparsefront.frontends.parts.localisation import Keep, Threshold, check_localisation, object_region
from sparsefront.frontends.parts.patch_learner import PatchLearner
from sparsefront.frontends.parts.zero_tiny_patches import zero_tiny_patches

Region = Literal["mask", "box", "all"]
Dictionary = Literal["learned", "dct", "random"]

_MAX_BYTES = 2**28  # of working memory while patches are coded


class RegionSparse(FrontEnd):
    """Sparse codes where the object is, a bilateral filter on the rest (paper 004, section IV).

    y(p) = sum over the patches i that hold pixel p of (theta c_i(p) + (1 - theta) b(p) if patch i touches the object
    region, else b(p)) / number of patches that hold p. b is the image after the bilateral filter, c_i the patch of
    the image restored from `n_nonzero_coefs` atoms. Within the region y = theta c + (1 - theta) b, away from it
    y = b, and between the two the share of c falls over a patch's width, so that no seam is seen.

    `theta` is equation 19's trade-off: the paper lets the regions decide it, 1 on the object and 0 off it, which is
    the default; less lets the filter have a share of the object too.

    Coding undoes equation 17's z-score, which the paper leaves open: every entry of a patch has a mean m and a
    deviation s over all patches of its image; z = (p - m) / s is coded by OMP, and c = m + s (Psi alpha).

    Learning, without labels (section IV-B): images smoothed by non-local means (equation 16), `patches_per_image`
    random patches of each, z-scored image by image, and online dictionary learning (Mairal et al. 2009; here earlier
    batches are forgotten, by (1 - 1/t)^2 before batch t, and atoms that nothing uses make room for patches).

    The region: `object_region`; see it by `region`. Where nothing is found, `fallback` decides.

    The paper's ablations: noTR `dictionary="dct"` or `"random"`, noIS `smoothing=False`, noPN `normalise="none"`, noBS
    `suppress_background=False`; whole-image coding `region="all"`.

    Backward modes: `exact` (the default), the derivative with the region held, through the least-squares fit on the
    atoms chosen, the z-score and the filter; true almost everywhere, since region and choice of atoms are piecewise
    constant; `identity`, which hands gradients on and so is not blind to directions that change the choice.

    Args:
        image_shape: (C, H, W) of the images.
        n_atoms: of the dictionary Psi (ours; the paper names none).
        n_nonzero_coefs: K, sparsity: atoms in a patch (ours).
        patch_size: side n of the square patches, in pixels (ours).
        stride: pixels from one patch to the next, at most n (ours).
        theta: weight of the sparse code in the object region, in [0, 1].
        region: `mask` (the outline of the object), `box` around it, or `all` of the image.
        threshold: binarises the gradient image: `otsu` for each image by itself, `mean`, or a number.
        closing: side of the closing square, as a share of the image's smaller side.
        opening: side of the opening square, likewise.
        keep: `all` that remains is object, or the `largest` component.
        fallback: where nothing is found, code `all` of the image or `none` of it.
        normalise: `zscore`, `patch_mean` (a patch's own mean is taken off) or `none`, in learning and in coding.
        suppress_background: whether the rest is filtered; if not, it stays as it is.
        diameter: odd, of the bilateral filter's window, in pixels.
        sigma_color: its deviation in colour, in [0, 1] pixel units; `50/255` is read.
        sigma_space: its deviation in space, in pixels.
        dictionary: `learned`, `dct` (overcomplete cosines) or `random` (normal deviates); the last two learn nothing,
            and the settings of learning, which are those below, do not count, but for the `seed` of `random`.
        smoothing: whether images are smoothed before their patches are learned from.
        h: degree of filtering of the smoothing, in [0, 1] pixel units, as in `NonLocalMeans` (scikit-image's default);
            counts with `smoothing`.
        lmbda: learn with the LASSO of this weight, as Mairal et al.; absent: with the OMP that codes.
        patches_per_image: n patches drawn of an image (ours).
        n_iterations: batches of images to learn from.
        seed: of the draws.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    dictionary: Tensor
    _learner: PatchLearner | None = None

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_atoms: int = 256,
        n_nonzero_coefs: int = 10,
        patch_size: int = 8,
        stride: int = 2,
        theta: float = 1.0,
        region: Region = "mask",
        threshold: Threshold | float = "otsu",
        closing: float = 1 / 12,
        opening: float = 1 / 32,
        keep: Keep = "all",
        fallback: Literal["all", "none"] = "all",
        normalise: Normalise = "zscore",
        suppress_background: bool = True,
        diameter: int = 9,
        sigma_color: float | str = "50/255",
        sigma_space: float = 3.0,
        dictionary: Dictionary = "learned",
        smoothing: bool = True,
        h: float | str = 0.1,
        lmbda: float | None = None,
        patches_per_image: int = 50,
        n_iterations: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape)
        self.n_atoms, self.n_nonzero_coefs, self.patch_size, self.stride = n_atoms, n_nonzero_coefs, patch_size, stride
        self.theta, self.region_shape, self.fallback, self.normalise = theta, region, fallback, normalise
        self.threshold, self.closing, self.opening, self.keep = threshold, closing, opening, keep
        self.suppress_background = suppress_background
        self.diameter, self.sigma_color, self.sigma_space = diameter, number(sigma_color, "sigma_color"), sigma_space
        self.dictionary_kind, self.smoothing, self.h, self.lmbda = dictionary, smoothing, number(h, "h"), lmbda
        self.patches_per_image, self.n_learning_steps, self.seed = patches_per_image, n_iterations, seed
        self._check_settings()
        self.register_buffer("dictionary", self._first_dictionary())
        self.learned.fill_(dictionary != "learned")

    def _check_settings(self) -> None:
        smaller_side, fewest = min(self.image_shape[1:]), 2 if self.normalise == "zscore" else 1
        rules = [
            *one_of(get_args(Region), region=self.region_shape),
            *one_of(("all", "none"), fallback=self.fallback),
            *one_of(get_args(Normalise), normalise=self.normalise),
            *one_of(get_args(Dictionary), dictionary=self.dictionary_kind),
            *fits_and_covers(self.image_shape, self.patch_size, self.stride),
            *at_least(1, n_atoms=self.n_atoms, n_iterations=self.n_learning_steps),
            *between(1, ("n_atoms", self.n_atoms), n_nonzero_coefs=self.n_nonzero_coefs),
            *at_least(fewest, "a z-score needs 2", patches_per_image=self.patches_per_image),
            *from_0_to_1(theta=self.theta),
            *positive("write it in [0, 1] pixel units", h=self.h),
            *(positive("write null for OMP", lmbda=self.lmbda) if self.lmbda is not None else ()),
            (
                smaller_side >= 2 or self.region_shape == "all",
                f"`image_shape` must have at least 2 pixels a side for the gradient that finds a region, found "
                f"{self.image_shape}; serve larger images, or code all of them by `region: all`.",
            ),
            (
                smaller_side > SMOOTHING_PATCH // 2 or not self.smoothing or self.dictionary_kind != "learned",
                f"`smoothing` needs images of at least {SMOOTHING_PATCH // 2 + 1} pixels a side, found "
                f"{self.image_shape[1:]}; switch it off.",
            ),
            (
                self.lmbda is None or self.dictionary_kind == "learned",
                f"`lmbda` must be left out with `dictionary: {self.dictionary_kind}`, found {self.lmbda}; nothing is "
                "learned.",
            ),
        ]
        check_rules(rules)
        check_localisation(self.threshold, self.closing, self.opening, self.keep)
        check_bilateral(self.image_shape, self.diameter, self.sigma_color, self.sigma_space)

    def _first_dictionary(self) -> Tensor:
        channels, length = self.image_shape[0], self.image_shape[0] * self.patch_size**2
        if self.dictionary_kind == "dct":
            return overcomplete_dct(self.n_atoms, channels, self.patch_size)
        if self.dictionary_kind == "random":
            generator = torch.Generator().manual_seed(self.seed)
            return F.normalize(torch.randn(length, self.n_atoms, generator=generator), dim=0)
        return torch.zeros(length, self.n_atoms)

    @torch.no_grad()
    def region(self, images: Tensor) -> Tensor:
        """The object region of (B, C, H, W) images, bool (B, 1, H, W), as it is coded: the fallback included."""
        if self.region_shape == "all":
            return torch.ones_like(images[:, :1], dtype=torch.bool)
        found = object_region(images, self.threshold, self.closing, self.opening, self.keep, self.region_shape)
        return found | ~found.any(dim=(2, 3), keepdim=True) if self.fallback == "all" else found

    @full_precision
    def forward(self, images: Tensor) -> Tensor:
        """Code and filter (B, C, H, W) images."""
        self.check_learned()
        self.check_kind(images, self._smallest_side())
        working = images.to(torch.promote_types(images.dtype, torch.float32))
        grid = PatchGrid(working, self.patch_size, self.stride)
        chosen = grid.touching(self.region(images))
        share = self.theta * grid.coverage(chosen)
        total = grid.coverage(torch.ones_like(chosen[:1]))
        mixed = (self.theta * self._coded(working, grid, chosen) + (total - share) * self._background(working)) / total
        return mixed.clamp(0, 1).to(images.dtype)

    def _smallest_side(self) -> int:
        """Pixels that a patch needs, and the mirrored borders of the gradient and of the filter."""
        return max(self.patch_size, 1 if self.region_shape == "all" else 2, self.diameter // 2 + 1)

    def _background(self, images: Tensor) -> Tensor:
        if not self.suppress_background or (self.region_shape == "all" and self.theta == 1):
            return images  # in the latter case there is no background
        return bilateral_filter(images, self.diameter, self.sigma_color, self.sigma_space)

    def _coded(self, images: Tensor, grid: PatchGrid, chosen: Tensor) -> Tensor:
        """The sums (B, C, H, W) of all chosen patches, restored from their codes."""
        places = grid.places(chosen)
        base, scale = self._normalisation(images, grid)
        bytes_each = images.element_size() * (4 * len(self.dictionary) + 3 * self.n_atoms)
        runs = split_by_memory(places, bytes_each, _MAX_BYTES)
        first, *rest = map_runs(self._restore, runs, images, base, scale)
        return sum(rest, first)

    def _normalisation(self, images: Tensor, grid: PatchGrid) -> tuple[Tensor, Tensor]:
        """What is taken off an image's patches and what they are divided by, two (B, m), where that is the image's."""
        if self.normalise != "zscore":
            return images.new_zeros(len(images), 1), images.new_ones(len(images), 1)
        mean, variance = grid.moments(images)
        return mean, deviation(variance)

    def _restore(self, places: Tensor, images: Tensor, base: Tensor, scale: Tensor) -> Tensor:
        patches, image = cut_patches(images, places, self.patch_size), places[:, 0]
        offset = patches.mean(dim=1, keepdim=True) if self.normalise == "patch_mean" else base[image]
        dictionary = F.normalize(
            self.dictionary.to(images.dtype), dim=0
        )  # a half-precision copy is not quite of unit norm
        signals = zero_tiny_patches((patches - offset) / scale[image])
        gradient: Literal["implicit", "none"] = (
            "implicit" if signals.requires_grad and torch.is_grad_enabled() else "none"
        )
        codes = omp(signals, dictionary, self.n_nonzero_coefs, gradient=gradient, max_bytes=_MAX_BYTES).codes
        restored = offset + scale[image] * (codes @ dictionary.T)
        return paste_patches(restored, places, images.shape)

    def atoms(self) -> Tensor:
        """The dictionary as pictures (L, C, n, n)."""
        return self.dictionary.detach().T.reshape(self.n_atoms, -1, self.patch_size, self.patch_size)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """One step of the dictionary learner on random patches of (B, C, H, W) images."""
        h = self.h if self.smoothing else None
        draws = self.learning_draws(self.seed)
        patches = benign_patches(images, self.patch_size, self.patches_per_image, h, self.normalise, draws)
        if self._learner is None:
            self._learner = self._start_learner(patches)
        metrics = self._learner.step(patches)
        self.dictionary.copy_(self._learner.dictionary)
        return metrics

    def _start_learner(self, patches: Tensor) -> PatchLearner:
        """Start from patches of the first batch."""
        patches = without_flat(patches.cpu())
        start = patches[torch.randperm(len(patches), generator=generator_of(self.seed, -1))]
        coder: Callable[[Tensor, Tensor], Coded] = (
            partial(omp, n_nonzero_coefs=self.n_nonzero_coefs)
            if self.lmbda is None
            else partial(lasso, lmbda=self.lmbda, tolerance=1e-2)
        )
        mend = "raise `data.batch_size` or `patches_per_image`, or lower `n_atoms`"
        atoms = first_atoms(start, self.n_atoms, self.processes, mend=mend)
        return PatchLearner(OnlineDictionary(atoms.T, coder), self.processes)
