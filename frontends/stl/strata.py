"""Clusters of images, found without labels (paper 002, section 3.4)."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront.common.checkpoints.checkpoint_file import read_weights
from sparsefront.common.checkpoints.mismatch import Mismatch
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.checkpoints.weight_names import unwrapped
from sparsefront.frontends.parts.nearest import nearest
from sparsefront.frontends.stl.denoising_autoencoder import N_FEATURES, DenoisingAutoencoder

_AT_ONCE = 512  # images whose features are computed together


class Strata(nn.Module):
    """Images -> the cluster of each, by a vote of the nearest reference images.

    Features of a denoising auto-encoder are centred and projected onto their `n_components` directions of largest
    variance (PCA); k-means of the references' features, from the best of ten k-means++ starts, makes the clusters.
    Clusters are numbered by the number of references they hold, the largest first. An image belongs to the cluster that
    most of its `n_neighbours` nearest references belong to, and of several with as many to the larger one.

    The references are kept as their features alone, 4 `n_components` bytes each.

    Args:
        channels: of the images.
        n_clusters: number of clusters.
        n_neighbours: references that vote.
        n_components: of the PCA.
        n_references: most reference images.
        seed: of the auto-encoder's first weights and of k-means.

    Attributes:
        autoencoder: finds the features.
        centre: (512,), the references' mean features.
        axes: (`n_components`, 512), orthonormal directions; zeros where there were fewer references.
        references: (`n_references`, `n_components`), of which the first `n_found` count.
        clusters: (`n_references`,), theirs.
    """

    centre: Tensor
    axes: Tensor
    references: Tensor
    clusters: Tensor
    n_found: Tensor

    def __init__(
        self, channels: int, n_clusters: int, n_neighbours: int, n_components: int, n_references: int, seed: int
    ) -> None:
        super().__init__()
        self.n_clusters = n_clusters
        self.n_neighbours = n_neighbours
        self.seed = seed
        self.autoencoder = DenoisingAutoencoder(channels, seed)
        self.register_buffer("centre", torch.zeros(N_FEATURES))
        self.register_buffer("axes", torch.zeros(n_components, N_FEATURES))
        self.register_buffer("references", torch.zeros(n_references, n_components))
        self.register_buffer("clusters", torch.zeros(n_references, dtype=torch.long))
        self.register_buffer("n_found", torch.tensor(0))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """The clusters (B,), int64, of (B, C, H, W) images in [0, 1]; constants for an adversary."""
        projected = (self.features(images) - self.centre.to(images.dtype)) @ self.axes.to(images.dtype).T
        n_references = int(self.n_found)
        neighbours = nearest(projected, self.references[:n_references], min(self.n_neighbours, n_references))
        votes = F.one_hot(self.clusters[neighbours], self.n_clusters).sum(dim=1)
        return votes.argmax(dim=1)  # of equal ones the first

    def features(self, images: Tensor) -> Tensor:
        """The auto-encoder's features (B, 512), some images at a time."""
        return torch.cat([self.autoencoder(some) for some in images.split(_AT_ONCE)])

    @torch.no_grad()
    def fit(self, features: Tensor, agree: Callable[[Tensor], Tensor]) -> None:
        """Make clusters of references, given by their features (N, 512).

        Args:
            features: the same on every process. Of more than `n_references` the first count; of fewer than
                `n_components` as many components as there are references, and zeros.
            agree: the first process's tensor, for all.

        Raises:
            ValueError: fewer different references than clusters, which would leave one empty, or fewer than vote.
        """
        # Here, because scikit-learn takes longer to import than all front ends together.
        from sklearn.cluster import KMeans
        from sklearn.decomposition import PCA

        values = features[: len(self.references)].double().cpu()
        for name, least, n_different in (
            ("n_clusters", self.n_clusters, len(values.unique(dim=0))),
            ("n_neighbours", self.n_neighbours, len(values)),
        ):
            if least > n_different:
                raise ValueError(
                    f"`{name}` must be at most the number of different reference images, {n_different}, found {least}; "
                    "lower it, or raise `n_references` and `reference_iterations`."
                )
        components = min(len(self.axes), len(values))
        pca = PCA(components, svd_solver="full").fit(values.numpy())
        axes = torch.zeros(self.axes.shape, dtype=torch.float64)
        axes[:components] = torch.from_numpy(pca.components_)
        centre = torch.from_numpy(pca.mean_)
        projected = (values - centre) @ axes.T
        kmeans = KMeans(self.n_clusters, init="k-means++", n_init=10, random_state=self.seed).fit(projected.numpy())
        labels = torch.from_numpy(kmeans.labels_).long()
        sizes = labels.bincount(minlength=self.n_clusters)
        labels = sizes.argsort(descending=True, stable=True).argsort()[labels]  # its place among them
        self.centre.copy_(agree(centre))
        self.axes.copy_(agree(axes))
        self.references[: len(values)] = agree(projected).to(self.references)
        self.clusters[: len(values)] = agree(labels).to(self.clusters)
        self.n_found.fill_(len(values))

    def load(self, path: str | Path, setting: str) -> None:
        """Take auto-encoder and clusters from a checkpoint of a front end that has them, or of a whole model with one.

        Args:
            path: of the file.
            setting: what the user named it by, for the sentence.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a checkpoint, or one without the strata of these settings.
        """
        whole = read_weights(find_checkpoint(path, setting, front_end=True).path, setting, of_run=True)
        state = unwrapped(whole, self.state_dict(), ("coder.strata", "frontend.coder.strata"))
        if Mismatch.between(self, state) is not None:
            raise ValueError(
                f"`{setting}` must hold the clusters of an STL with the same channels, `n_components` and "
                f"`n_references`, found others or none in {path}; give the settings that it was learned with."
            )
        n_clusters = len(state["clusters"][: int(state["n_found"])].unique())
        if n_clusters != self.n_clusters:
            raise ValueError(
                f"`n_clusters` must be the number of clusters in `{setting}`, {n_clusters}, found {self.n_clusters}; "
                "name the checkpoint of another STL, or leave it out."
            )
        self.load_state_dict(state)
