"""How STL sorts images into clusters, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import at_least, check_rules, not_negative, positive
from sparsefront.common.settings import checked_settings
from sparsefront.frontends.stl.denoising_autoencoder import N_FEATURES


@checked_settings
@dataclass(frozen=True)
class STLClusterSettings:
    """How `STL` finds clusters of images and which of them an image belongs to; see `Strata`.

    Attributes:
        n_neighbours: reference images that vote on the cluster (ours; the paper names none).
        n_components: of the PCA of the features; the authors'.
        n_references: most reference images (ours; the paper takes all training images).
        reference_iterations: batches the references are taken from, the first images of each (ours). More than one
            epoch of them counts images twice.
        autoencoder_iterations: batches the auto-encoder learns from (ours).
        learning_rate: of Adam on the auto-encoder (ours).
        noise: standard deviation for the auto-encoder, in [0, 1] pixel units (ours; the paper names none).
        strata_checkpoint: read when learning begins: of an `STL`, or of a model with one, with the same `n_clusters`,
            `n_components` and `n_references`, whose auto-encoder and clusters are taken, so that only filters are
            learned.

    Raises:
        ValueError: a number out of its range.
    """

    n_neighbours: int = 5
    n_components: int = 128
    n_references: int = 10_000
    reference_iterations: int = 100
    autoencoder_iterations: int = 2000
    learning_rate: float = 1e-3
    noise: float = 0.1
    strata_checkpoint: str | None = None

    def __post_init__(self) -> None:
        rules = [
            *at_least(1, n_neighbours=self.n_neighbours, n_components=self.n_components),
            *at_least(1, n_references=self.n_references, reference_iterations=self.reference_iterations),
            *at_least(1, autoencoder_iterations=self.autoencoder_iterations),
            *positive(learning_rate=self.learning_rate),
            *not_negative(noise=self.noise),
            (
                self.n_components <= N_FEATURES,
                f"`n_components` must be at most the auto-encoder's {N_FEATURES} features, found {self.n_components}.",
            ),
        ]
        check_rules(rules)
