"""Stratified convolutional sparse coding (paper 002: Sun, Tsai, Liu, Yu and Su 2019)."""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from sparsecode import Gradient, cbpdn, convolve, tikhonov_split
from sparsecode.full_precision import full_precision
from sparsefront.common.recompute_in_backward import recompute_in_backward
from sparsefront.common.rules import at_least, check_rules, fitting, not_negative, one_of, positive, settings_of
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.parts.previous_codes import PreviousCodes
from sparsefront.frontends.parts.zero_tiny_patches import zero_tiny_patches
from sparsefront.frontends.stl.denoising_autoencoder import N_FEATURES
from sparsefront.frontends.stl.learning import STLLearning
from sparsefront.frontends.stl.strata import Strata

Learner = Literal["online", "consensus"]

_MAX_BYTES = 2**28  # of working memory; images are taken in runs to keep it
_MAPS = 6  # of the codes' size that an image of a run needs at once


class STL(FrontEnd):
    """Rebuilds images from convolutional sparse codes with the filters of their cluster (paper 002, "STL (cluster)").

    T(x) = low(x) + sum_k f_k * z_k, clamped to [0, 1]. low(x) is the image smoothed by Tikhonov's filter, and the codes
    z of the rest, which all channels share, minimise 1/2 ||x - low(x) - sum_k f_k * z_k||^2 + lmbda sum_k ||z_k||_1
    (equation 2, convolutional basis pursuit denoising) with the unit-norm filters f of the cluster that x belongs to.
    The split, its settings and the stopping rule are those of the authors' code; the paper does not name them.

    Clusters: see `Strata`. `n_clusters: 1` is the paper's "STL": one universal set of filters, and no
    auto-encoder.

    Learning, without labels, in one `fit`: a denoising auto-encoder on images of 32×32 and their noisy versions
    (`autoencoder_iterations` batches), the features of reference images and their clusters (`reference_iterations`),
    then the filters of every cluster: `online` from a stream of `n_iterations` batches, or by `consensus`, the paper's
    ADMM, in `n_passes` over the images that these batches bring, which are kept. `strata_checkpoint` takes auto-encoder
    and clusters from another run, so that only filters are learned.

    Equation 2 wants ||f_{i,c}||^2 = 1 for every channel c of a filter. Here, as in SPORCO, a filter's norm over all
    channels together is 1, so that their shares are free. With C channels of equal energy the printed constraint with
    `lmbda` is this one with `lmbda` / sqrt(C).

    Backward modes; the cluster is held in all, as the choice has no derivative:

    * `implicit(tolerance, past_clamp, warm)` (the default): the derivative of the exact codes on their support, with
      the filters that take part held. `tolerance` is that of the codes it is taken at; with the deployed 5e-3 it
      would be another's.
    * `unrolled(steps, tolerance, past_clamp, warm)`: through ADMM iterations begun at the codes.
    * `identity(warm)`: the gradient of handing the image on, the paper's BPDA.

    `past_clamp` passes gradients through the clamp as if it were not there. `warm: true` starts each image's codes from
    those of the image nearest to it in the call before, as in successive steps of an attack, which saves most of the
    time. Problem and solution are the same, but either is met up to `tolerance` alone: then the value is not the
    deployed one to the last digit, as it is by default. What counts is scored by `forward`, which starts cold.

    Args:
        image_shape: (C, H, W) of the images.
        n_filters: K; the paper's.
        filter_size: side of the square filters, in pixels; the paper's.
        lmbda: weight of the l1 norm; the paper's.
        n_clusters: the paper's for CIFAR-10 and ImageNet-10; for ImageNet it has 10.
        low_pass: smoothness of low(x), the weight of its squared differences; 0 leaves nothing to code.
        padding: pixels of mirrored border for low(x).
        tolerance: relative, of the codes' stopping rule; see `sparsecode.cbpdn`.
        max_iterations: most iterations of that; the authors'.
        rescale: divide the result by its largest value, as the authors' script does when it writes pictures.
        n_neighbours: reference images that vote on the cluster (ours; the paper names none).
        n_components: of the PCA of the features; the authors'.
        n_references: most reference images (ours; the paper takes all training images).
        noise: standard deviation for the auto-encoder, in [0, 1] pixel units (ours; the paper names none).
        learning_rate: of Adam on the auto-encoder (ours).
        autoencoder_iterations: batches it learns from (ours).
        reference_iterations: batches the references are taken from, the first images of each (ours). More than one
            epoch of them counts images twice.
        n_iterations: batches filters learn from (ours).
        learner: `online` or `consensus`.
        n_kept_images: of a cluster, with `consensus`; each takes K C H W numbers of memory.
        n_passes: with `consensus`.
        strata_checkpoint: read when learning begins: of an STL, or of a model with one, with the same `n_clusters`,
            `n_components` and `n_references`.
        seed: of the first weights, the noise, k-means and the patches that filters start from.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "implicit"
    filters: Tensor

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_filters: int = 64,
        filter_size: int = 8,
        lmbda: float = 0.2,
        n_clusters: int = 4,
        low_pass: float = 5.0,
        padding: int = 16,
        tolerance: float = 5e-3,
        max_iterations: int = 200,
        rescale: bool = False,
        n_neighbours: int = 5,
        n_components: int = 128,
        n_references: int = 10_000,
        noise: float = 0.1,
        learning_rate: float = 1e-3,
        autoencoder_iterations: int = 2000,
        reference_iterations: int = 100,
        n_iterations: int = 200,
        learner: Learner = "online",
        n_kept_images: int = 50,
        n_passes: int = 20,
        strata_checkpoint: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape)
        self.n_filters, self.filter_size, self.lmbda, self.n_clusters = n_filters, filter_size, lmbda, n_clusters
        self.low_pass, self.padding, self.rescale = low_pass, padding, rescale
        self.tolerance, self.max_iterations = tolerance, max_iterations
        self.n_neighbours, self.n_components, self.n_references = n_neighbours, n_components, n_references
        self.noise, self.learning_rate, self.learner = noise, learning_rate, learner
        self.autoencoder_iterations, self.reference_iterations = autoencoder_iterations, reference_iterations
        self.n_iterations, self.n_kept_images, self.n_passes = n_iterations, n_kept_images, n_passes
        self.strata_checkpoint, self.seed = strata_checkpoint, seed
        self._check_settings()
        self.n_learning_steps = sum(self.stages)
        channels = self.image_shape[0]
        self.strata = (
            Strata(channels, n_clusters, n_neighbours, n_components, n_references, seed) if n_clusters > 1 else None
        )
        self.register_buffer("filters", torch.zeros(n_clusters, n_filters, channels, filter_size, filter_size))
        self.learned.fill_(False)

    def _check_settings(self) -> None:
        sizes = settings_of(self, "n_filters", "n_clusters", "n_neighbours", "n_components", "n_references")
        steps = settings_of(self, "max_iterations", "autoencoder_iterations", "reference_iterations", "n_iterations")
        rules = [
            *at_least(1, **sizes, **steps, n_kept_images=self.n_kept_images, n_passes=self.n_passes),
            *positive(**settings_of(self, "lmbda", "tolerance", "learning_rate")),
            *not_negative(low_pass=self.low_pass, noise=self.noise),
            *at_least(0, padding=self.padding),
            *fitting(self.image_shape, filter_size=self.filter_size),
            *one_of(get_args(Learner), learner=self.learner),
            (
                self.n_components <= N_FEATURES,
                f"`n_components` must be at most the auto-encoder's {N_FEATURES} features, found {self.n_components}.",
            ),
            (
                max(self.n_clusters, self.n_neighbours, self.n_components) <= self.n_references or self.n_clusters == 1,
                f"`n_references` must be at least `n_clusters`, `n_neighbours` and `n_components`, found "
                f"{self.n_references} for {self.n_clusters}, {self.n_neighbours} and {self.n_components}.",
            ),
            (
                self.strata_checkpoint is None or self.n_clusters > 1,
                f"`strata_checkpoint` must be left out with `n_clusters: 1`, found {self.strata_checkpoint}; one "
                "cluster has no auto-encoder.",
            ),
        ]
        check_rules(rules)

    @property
    def stages(self) -> tuple[int, int, int, int]:
        """Batches that auto-encoder, references and filters learn from, and passes over those kept."""
        stratified = self.n_clusters > 1 and self.strata_checkpoint is None
        return (
            self.autoencoder_iterations if stratified else 0,
            self.reference_iterations if stratified else 0,
            self.n_iterations,
            self.n_passes if self.learner == "consensus" else 0,
        )

    @full_precision
    def assign(self, images: Tensor) -> Tensor:
        """The clusters (B,), int64, of (B, C, H, W) images: whose filters they are coded with."""
        if self.strata is None:
            return torch.zeros(len(images), dtype=torch.long, device=images.device)
        found: Tensor = self.strata(images.detach())
        return found

    def split(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """low(x) and the rest, which is coded; each (B, C, H, W)."""
        low, high = tikhonov_split(images, self.low_pass, self.padding)
        return low, zero_tiny_patches(high.flatten(1)).view_as(high)

    @torch.no_grad()
    def encode(self, images: Tensor, memory: PreviousCodes | None = None) -> Tensor:
        """The codes that `forward` rebuilds (B, C, H, W) images from: (B, K, H, W), a sparse tensor.

        With a `memory` they are those of `warm: true`: it is started from, and keeps them.
        """
        if not len(images):
            return images.new_zeros(0, self.n_filters, *images.shape[2:]).to_sparse()
        memory = PreviousCodes() if memory is None else memory
        self._rebuild(images, None, memory)
        return memory.kept

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild (B, C, H, W) images in [0, 1] from their codes; differentiable as in `implicit`, at these codes."""
        wants = images.requires_grad and torch.is_grad_enabled()
        return self._rebuild(images, _Derivative("implicit", None, False) if wants else None)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`implicit`, `unrolled` and `identity`."""
        return {"implicit": self._implicit, "unrolled": self._unrolled, "identity": self._handing_on}

    def _implicit(self, tolerance: float = 1e-4, past_clamp: bool = True, warm: bool = False) -> ImageMap:
        return self._standing_in(_Derivative("implicit", tolerance, past_clamp), warm)

    def _unrolled(
        self, steps: int = 20, tolerance: float = 1e-4, past_clamp: bool = True, warm: bool = False
    ) -> ImageMap:
        check_rules(at_least(1, steps=steps))
        return self._standing_in(_Derivative("unrolled", tolerance, past_clamp, steps), warm)

    def _handing_on(self, warm: bool = False) -> ImageMap:
        memory = PreviousCodes() if warm else None

        def passing(images: Tensor) -> Tensor:
            with torch.no_grad():
                value = self._rebuild(images, None, memory)
            return value + (images - images.detach())  # what is added is exactly 0

        return passing

    def _standing_in(self, derivative: "_Derivative", warm: bool) -> ImageMap:
        tolerance = derivative.tolerance
        if tolerance is not None:
            check_rules(positive(tolerance=tolerance))
        memory = PreviousCodes() if warm else None
        return lambda images: self._rebuild(
            images, derivative if images.requires_grad and torch.is_grad_enabled() else None, memory
        )

    @full_precision
    def _rebuild(self, images: Tensor, derivative: "_Derivative | None", memory: PreviousCodes | None = None) -> Tensor:
        """T of (B, C, H, W) images, a bounded number at a time of those that share filters."""
        self.check_learned()
        self.check_kind(images, self.filter_size)
        if not len(images):
            return images.clone()
        working = images.to(torch.promote_types(images.dtype, torch.float32))
        clusters = self.assign(working)
        starts = None if memory is None else memory.match(working, clusters)
        each = _MAPS * self.n_filters * images.shape[2] * images.shape[3] * working.element_size()
        runs = [
            rows
            for k in range(self.n_clusters)
            for rows in (clusters == k).nonzero().flatten().split(max(_MAX_BYTES // each, 1))
            if len(rows)
        ]
        parts, codes = [], []
        for rows in runs:
            start = None if memory is None or starts is None else memory.codes(starts[rows])
            kept: list[Tensor] | None = None if memory is None else []
            rebuild = partial(self._rebuild_run, int(clusters[rows[0]]), derivative, start, kept)
            # Where one run cannot hold them, codes are found again in the backward pass, rather than kept for all.
            again = derivative is not None and len(images) * each > _MAX_BYTES
            parts.append(recompute_in_backward(rebuild, working[rows]) if again else rebuild(working[rows]))
            codes += kept or []
        order = torch.cat(runs).argsort()
        if memory is not None:
            memory.keep(working, clusters, torch.cat(codes).index_select(0, order))
        return torch.cat(parts)[order].to(images.dtype)

    def _rebuild_run(
        self,
        cluster: int,
        derivative: "_Derivative | None",
        start: Tensor | None,
        kept: list[Tensor] | None,
        images: Tensor,
    ) -> Tensor:
        """T of images of one cluster; `kept`, if there is one, takes their codes as a sparse tensor."""
        filters = self.filters[cluster].to(images.dtype)
        filters = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]  # rounded to half precision they differ
        low, high = self.split(images)
        code = partial(cbpdn, filters=filters, lmbda=self.lmbda, max_bytes=_MAX_BYTES)
        found = code(high.detach(), tolerance=self.tolerance, max_steps=self.max_iterations, start=start)
        if kept is not None:
            kept.append(found.codes.to_sparse())
        whole = low + convolve(found.codes, filters)
        if derivative is not None and torch.is_grad_enabled():
            tolerance = self.tolerance if derivative.tolerance is None else min(derivative.tolerance, self.tolerance)
            codes = code(
                high, tolerance=tolerance, start=found.state, gradient=derivative.gradient,
                unrolled_steps=derivative.steps,
            ).codes  # fmt: skip
            smooth = low + convolve(codes, filters)
            whole = whole.detach() + (smooth - smooth.detach())  # what is added is exactly 0
        return self._finish(whole, past_clamp=derivative is not None and derivative.past_clamp)

    def _finish(self, whole: Tensor, past_clamp: bool) -> Tensor:
        if self.rescale:
            largest = whole.amax(dim=(1, 2, 3), keepdim=True)
            whole = whole / torch.where(largest > 0, largest, 1.0)
        clamped = whole.clamp(0, 1)
        return clamped.detach() + (whole - whole.detach()) if past_clamp else clamped

    def atoms(self) -> Tensor:
        """The filters of all clusters as pictures (`n_clusters` K, C, n, n), cluster by cluster."""
        return self.filters.detach().flatten(0, 1)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Learn from a batch (B, C, H, W) what it is the turn of."""
        self.check_kind(images, self.filter_size)
        if self._learner is None:
            self._learner = STLLearning(self)
        metrics: dict[str, float] = self._learner.step(images)
        return metrics


class _Derivative(NamedTuple):
    """How the codes are differentiated, at which tolerance, and whether past the clamp."""

    gradient: Gradient
    tolerance: float | None
    past_clamp: bool
    steps: int = 20
