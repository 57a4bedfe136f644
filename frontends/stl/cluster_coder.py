"""Codes of images with the filters of the cluster that each belongs to."""

from typing import Any

import torch
from torch import Tensor, nn

from sparsecode import cbpdn, tikhonov_split
from sparsecode.coded import Coded
from sparsecode.full_precision import full_precision
from sparsefront.common.bounded_memory import split_by_memory
from sparsefront.frontends.parts.zero_tiny_patches import zero_tiny_patches
from sparsefront.frontends.stl.code_settings import STLCodeSettings
from sparsefront.frontends.stl.strata import Strata

_MAX_BYTES = 2**28  # of working memory; images are taken in runs to keep it
_MAPS = 6  # of the codes' size that an image of a run needs at once


class ClusterCoder(nn.Module):
    """Sorts images into clusters, splits them, and codes what is not smooth with the filters of the cluster.

    Args:
        filters_shape: (n_clusters, K, C, n, n).
        lmbda: weight of the l1 norm.
        settings: of the split and of the codes.
        strata: say which cluster an image belongs to; None for a single one.

    Attributes:
        filters: (n_clusters, K, C, n, n), each of unit norm over its channels together; zeros until they are learned.
        strata: the clusters.
    """

    filters: Tensor

    def __init__(
        self,
        filters_shape: tuple[int, int, int, int, int],
        lmbda: float,
        settings: STLCodeSettings,
        strata: Strata | None,
    ) -> None:
        super().__init__()
        self.lmbda = lmbda
        self.settings = settings
        self.strata = strata
        self.register_buffer("filters", torch.zeros(filters_shape))

    @property
    def n_clusters(self) -> int:
        """How many clusters there are."""
        return len(self.filters)

    @full_precision
    def assign(self, images: Tensor) -> Tensor:
        """The clusters (B,), int64, of (B, C, H, W) images: whose filters they are coded with."""
        if self.strata is None:
            return torch.zeros(len(images), dtype=torch.long, device=images.device)
        clusters: Tensor = self.strata(images.detach())
        return clusters

    def split(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """low(x) and the rest, which is coded; each (B, C, H, W)."""
        low, high = tikhonov_split(images, self.settings.low_pass, self.settings.padding)
        return low, zero_tiny_patches(high.flatten(1)).view_as(high)

    def unit_filters(self, cluster: int, dtype: torch.dtype) -> Tensor:
        """The filters (K, C, n, n) of a cluster, of norm 1 in that precision."""
        filters = self.filters[cluster].to(dtype)
        unit: Tensor = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]  # in half precision they differ
        return unit

    def code(self, images: Tensor, filters: Tensor, tolerance: float, **options: Any) -> Coded:
        """Codes (B, K, H, W) of images without their smooth part (see `sparsecode.cbpdn`, which takes the options)."""
        return cbpdn(images, filters, self.lmbda, tolerance=tolerance, max_bytes=_MAX_BYTES, **options)

    def runs(self, images: Tensor, clusters: Tensor) -> list[Tensor]:
        """Numbers of images that are coded together: of one cluster, and as many as memory holds."""
        rows_of_clusters = [(clusters == cluster).nonzero().flatten() for cluster in range(self.n_clusters)]
        return [
            run
            for rows in rows_of_clusters
            for run in split_by_memory(rows, self._bytes_each(images), _MAX_BYTES)
            if len(run)
        ]

    def exceeds_memory(self, images: Tensor) -> bool:
        """Whether memory does not hold what a gradient needs of all images at once."""
        return len(images) * self._bytes_each(images) > _MAX_BYTES

    def _bytes_each(self, images: Tensor) -> int:
        return _MAPS * self.filters.shape[1] * images.shape[2] * images.shape[3] * images.element_size()
