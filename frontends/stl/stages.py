"""The stages in which STL learns."""

from typing import NamedTuple

from sparsefront.frontends.stl.cluster_settings import STLClusterSettings
from sparsefront.frontends.stl.learning_settings import STLLearningSettings


class Stages(NamedTuple):
    """How many steps each stage of learning takes, in their order; each step has a batch of images.

    Attributes:
        autoencoder: of the auto-encoder.
        references: in which reference images are taken, before they are clustered.
        filters: in which filters learn from a batch, or batches are kept.
        passes: over the images that were kept.
    """

    autoencoder: int
    references: int
    filters: int
    passes: int

    @classmethod
    def of(cls, n_clusters: int, clusters: STLClusterSettings, learning: STLLearningSettings) -> "Stages":
        """Stages in which an STL learns; without clusters, or with another one's, filters alone are learned."""
        finds_clusters = n_clusters > 1 and clusters.strata_checkpoint is None
        return cls(
            clusters.autoencoder_iterations if finds_clusters else 0,
            clusters.reference_iterations if finds_clusters else 0,
            learning.n_iterations,
            learning.n_passes if learning.learner == "consensus" else 0,
        )
