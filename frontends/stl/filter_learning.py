"""How the filters of every cluster are learned."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from sparsecode import cbpdn
from sparsefront.common.processes import Processes
from sparsefront.frontends.stl.cluster_coder import ClusterCoder
from sparsefront.frontends.stl.learning_settings import STLLearningSettings

_TOLERANCE = 2e-2  # of codes that filters are learned from
_FLAT = 1e-4  # norm up to which a patch of the high-pass part is rounding
_CANDIDATES = 4  # patches drawn a filter, of which flat ones are left out


class FilterLearning(ABC):
    """Learns the filters of every cluster from the images that belong to it.

    Args:
        coder: sorts and splits the images, and takes the filters.
        settings: how long.
        seed: of the patches that filters start from.
        processes: that share a batch.

    Attributes:
        n_images: (n_clusters,) images met of each cluster, over all processes.
    """

    def __init__(self, coder: ClusterCoder, settings: STLLearningSettings, seed: int, processes: Processes) -> None:
        self.coder = coder
        self.settings = settings
        self.seed = seed
        self.processes = processes
        self.code = partial(cbpdn, lmbda=coder.lmbda, tolerance=_TOLERANCE)
        self.n_images = torch.zeros(coder.n_clusters, dtype=torch.long)
        self.counts: list[float] = []  # images of each cluster that the filters of now are learned from

    @abstractmethod
    def step(self, images: Tensor, step: int) -> dict[str, float]:
        """Learn from images (B, C, H, W), of the filters' precision and device, in step 0 and so on of this stage.

        Returns:
            What to log.
        """

    @abstractmethod
    def finish(self, last: Tensor) -> None:
        """Learn from the last batch where a run that was cut short has not begun to."""

    def split_and_assign(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """High-pass parts of this process's images and their clusters, of which all processes' are counted."""
        clusters = self.coder.assign(images)
        counts = self.processes.sum(clusters.bincount(minlength=self.coder.n_clusters).to(images))
        self.n_images += counts.long().cpu()
        self.counts = counts.tolist()
        return self.coder.split(images)[1], clusters

    def adopt(self, filters: Iterable[Tensor], metrics: list[dict[str, float]]) -> dict[str, float]:
        """Fill the coder's filters; return means over the images of all clusters."""
        self.coder.filters.copy_(torch.stack(list(filters)))
        total = max(sum(self.counts), 1)
        means = {
            name: sum(of_cluster[name] * count for of_cluster, count in zip(metrics, self.counts, strict=True)) / total
            for name in ("half_residual", "l1", "nonzeros")
        }
        return {**means, "replaced": float(sum(of_cluster["replaced"] for of_cluster in metrics))}

    def patches(self, images: Tensor) -> Tensor:
        """Random patches (N, p, C, n, n) of the images of all processes."""
        n_clusters, n_filters, _, size, _ = self.coder.filters.shape
        # A cluster that holds its part of the images has plenty for its filters.
        each = int(-(-_CANDIDATES * n_filters * n_clusters // max(sum(self.counts), 1)))
        windows = images.unfold(2, size, 1).unfold(3, size, 1)  # a view (N, C, rows, columns, n, n)
        places = self.processes.dealt(torch.rand, len(images), (each, 2), (self.seed, -1)).to(images)
        row, column = ((places[..., axis] * windows.shape[2 + axis]).long() for axis in range(2))
        image = torch.arange(len(images), device=images.device)[:, None]
        return self.processes.rows_in_turn(windows[image, :, row, column])


def first_filters(patches: list[Tensor], n_filters: int) -> list[Tensor]:
    """For each cluster the first K of its patches that are not flat, and others' where it has too few.

    Args:
        patches: (N, p, C, n, n) of each cluster; of every image one is taken before a second one is.
        n_filters: K.

    Returns:
        (K, C, n, n) of each cluster.

    Raises:
        ValueError: fewer than K in all clusters together.
    """
    rows = [of_cluster.transpose(0, 1).flatten(0, 1) for of_cluster in patches]
    rows = [row[row.flatten(1).norm(dim=1) > _FLAT] for row in rows]
    n_patches = sum(map(len, rows))
    if n_patches < n_filters:
        raise ValueError(
            f"The first batch must hold at least `n_filters` = {n_filters} patches that are not flat, found "
            f"{n_patches}; raise `data.batch_size` or lower `n_filters`."
        )
    return [torch.cat([row, *rows[:k], *rows[k + 1 :]])[:n_filters] for k, row in enumerate(rows)]
