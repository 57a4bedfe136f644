"""Stratified convolutional sparse coding (paper 002: Sun, Tsai, Liu, Yu and Su 2019)."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsefront.common.rules import at_least, check_rules, fitting, positive
from sparsefront.frontends.base import FrontEnd, ImageMap
from sparsefront.frontends.parts.previous_codes import PreviousCodes
from sparsefront.frontends.stl.cluster_coder import ClusterCoder
from sparsefront.frontends.stl.cluster_settings import STLClusterSettings
from sparsefront.frontends.stl.code_settings import STLCodeSettings
from sparsefront.frontends.stl.differentiable import Derivative, DifferentiableSTL
from sparsefront.frontends.stl.learning import STLLearning
from sparsefront.frontends.stl.learning_settings import STLLearningSettings
from sparsefront.frontends.stl.stages import Stages
from sparsefront.frontends.stl.strata import Strata

_CODES = STLCodeSettings()
_CLUSTERS = STLClusterSettings()
_LEARNING = STLLearningSettings()


class STL(FrontEnd):
    """Rebuilds images from convolutional sparse codes with the filters of their cluster (paper 002, "STL (cluster)").

    T(x) = low(x) + sum_k f_k * z_k, clamped to [0, 1]. low(x) is the image smoothed by Tikhonov's filter, and the codes
    z of the rest, which all channels share, minimise 1/2 ||x - low(x) - sum_k f_k * z_k||^2 + lmbda sum_k ||z_k||_1
    (equation 2, convolutional basis pursuit denoising) with the unit-norm filters f of the cluster that x belongs to.
    The split, its settings and the stopping rule are those of the authors' code; the paper does not name them.

    Clusters: see `Strata`. `n_clusters: 1` is the paper's "STL": one universal set of filters, and no
    auto-encoder.

    Learning, without labels, in one `fit`: a denoising auto-encoder on images of 32×32 and their noisy versions
    (`clusters.autoencoder_iterations` batches), the features of reference images and their clusters
    (`clusters.reference_iterations`), then the filters of every cluster: `online` from a stream of
    `learning.n_iterations` batches, or by `consensus`, the paper's ADMM, in `learning.n_passes` over the images that
    these batches bring, which are kept. `clusters.strata_checkpoint` takes auto-encoder and clusters from another run,
    so that only filters are learned.

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
        codes: how images are split and coded, see `STLCodeSettings`.
        clusters: how clusters are found, see `STLClusterSettings`.
        learning: how filters are learned, see `STLLearningSettings`.
        seed: of the first weights, the noise, k-means and the patches that filters start from.

    Attributes:
        coder: the clusters and their filters.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    default_backward = "implicit"

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_filters: int = 64,
        filter_size: int = 8,
        lmbda: float = 0.2,
        n_clusters: int = 4,
        codes: STLCodeSettings = _CODES,
        clusters: STLClusterSettings = _CLUSTERS,
        learning: STLLearningSettings = _LEARNING,
        seed: int = 0,
    ) -> None:
        super().__init__(image_shape)
        check_rules(
            [
                *at_least(1, n_filters=n_filters, n_clusters=n_clusters),
                *positive(lmbda=lmbda),
                *fitting(self.image_shape, filter_size=filter_size),
            ]
        )
        _check_clusters(n_clusters, clusters)
        self.filter_size = filter_size
        self.clusters = clusters
        self.learning = learning
        self.seed = seed
        channels = self.image_shape[0]
        strata = None
        if n_clusters > 1:
            votes = clusters.n_neighbours, clusters.n_components, clusters.n_references
            strata = Strata(channels, n_clusters, *votes, seed)
        shape = (n_clusters, n_filters, channels, filter_size, filter_size)
        self.coder = ClusterCoder(shape, lmbda, codes, strata)
        self.n_learning_steps = sum(self.stages)
        self.learned.fill_(False)

    @property
    def stages(self) -> Stages:
        """Batches that auto-encoder, references and filters learn from, and passes over those kept."""
        return Stages.of(self.coder.n_clusters, self.clusters, self.learning)

    @torch.no_grad()
    def encode(self, images: Tensor, memory: PreviousCodes | None = None) -> Tensor:
        """The codes that `forward` rebuilds (B, C, H, W) images from: (B, K, H, W), a sparse tensor.

        With a `memory` they are those of `warm: true`: it is started from, and keeps them.
        """
        if not len(images):
            return images.new_zeros(0, self.coder.filters.shape[1], *images.shape[2:]).to_sparse()
        memory = PreviousCodes() if memory is None else memory
        self._differentiable(None, memory)(images)
        return memory.kept

    def forward(self, images: Tensor) -> Tensor:
        """Rebuild (B, C, H, W) images in [0, 1] from their codes; differentiable as in `implicit`, at these codes."""
        return self._differentiable(Derivative())(images)

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`implicit`, `unrolled` and `identity`."""
        return {"implicit": self._implicit, "unrolled": self._unrolled, "identity": self._handing_on}

    def _implicit(self, tolerance: float = 1e-4, past_clamp: bool = True, warm: bool = False) -> ImageMap:
        return self._differentiable(Derivative("implicit", tolerance, past_clamp), PreviousCodes() if warm else None)

    def _unrolled(
        self, steps: int = 20, tolerance: float = 1e-4, past_clamp: bool = True, warm: bool = False
    ) -> ImageMap:
        derivative = Derivative("unrolled", tolerance, past_clamp, steps)
        return self._differentiable(derivative, PreviousCodes() if warm else None)

    def _handing_on(self, warm: bool = False) -> ImageMap:
        return self._differentiable(None, PreviousCodes() if warm else None)

    def _differentiable(self, derivative: Derivative | None, memory: PreviousCodes | None = None) -> ImageMap:
        image_map = DifferentiableSTL(self.coder, derivative, memory)

        def learned_map(images: Tensor) -> Tensor:
            self.check_learned()
            self.check_kind(images, self.filter_size)
            return image_map(images)

        return learned_map

    def atoms(self) -> Tensor:
        """The filters of all clusters as pictures (`n_clusters` K, C, n, n), cluster by cluster."""
        return self.coder.filters.detach().flatten(0, 1)

    def learn_from(self, images: Tensor) -> dict[str, float]:
        """Learn from a batch (B, C, H, W) what it is the turn of."""
        self.check_kind(images, self.filter_size)
        if self._learner is None:
            self._learner = STLLearning(
                self.coder, self.clusters, self.learning, self.seed, self.n_learning_steps, self.processes
            )
        return self._learner.step(images)


def _check_clusters(n_clusters: int, clusters: STLClusterSettings) -> None:
    largest = max(n_clusters, clusters.n_neighbours, clusters.n_components)
    check_rules(
        [
            (
                largest <= clusters.n_references or n_clusters == 1,
                f"`n_references` must be at least `n_clusters`, `n_neighbours` and `n_components`, found "
                f"{clusters.n_references} for {n_clusters}, {clusters.n_neighbours} and {clusters.n_components}.",
            ),
            (
                clusters.strata_checkpoint is None or n_clusters > 1,
                f"`strata_checkpoint` must be left out with `n_clusters: 1`, found {clusters.strata_checkpoint}; one "
                "cluster has no auto-encoder.",
            ),
        ]
    )
