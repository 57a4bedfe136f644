"""How STL learns: an auto-encoder, clusters, and the filters of each cluster."""

import torch
from torch import Tensor

from sparsefront.common.processes import Processes
from sparsefront.frontends.parts.learner import Learner
from sparsefront.frontends.stl.autoencoder_learning import AutoencoderLearning
from sparsefront.frontends.stl.cluster_coder import ClusterCoder
from sparsefront.frontends.stl.cluster_settings import STLClusterSettings
from sparsefront.frontends.stl.consensus_filters import ConsensusFilters
from sparsefront.frontends.stl.filter_learning import FilterLearning
from sparsefront.frontends.stl.learning_settings import STLLearningSettings
from sparsefront.frontends.stl.online_filters import OnlineFilters
from sparsefront.frontends.stl.stages import Stages
from sparsefront.frontends.stl.strata import Strata


class STLLearning(Learner):
    """Learns in stages: the auto-encoder, the clusters of reference images, the filters; a batch of images a step.

    Several processes, to which a batch's images are dealt out in turn, learn what one process learns from all of it, up
    to rounding: noise and places are drawn for the whole batch, and all else is sums or gathered.

    Args:
        coder: whose filters and strata are learned.
        clusters: how clusters are found.
        learning: how filters are learned.
        seed: of the noise and of the patches that filters start from.
        n_steps: steps that there will be; fewer than the stages have in a run that is cut short.
        processes: that share a batch.
    """

    def __init__(
        self,
        coder: ClusterCoder,
        clusters: STLClusterSettings,
        learning: STLLearningSettings,
        seed: int,
        n_steps: int,
        processes: Processes,
    ) -> None:
        self.coder = coder
        self.settings = clusters
        self.stages = Stages.of(coder.n_clusters, clusters, learning)
        self.n_steps = n_steps
        self.processes = processes
        self.step_number = 0  # of the next step
        self.last: Tensor | None = None  # batch
        self.features: list[Tensor] = []  # of reference images
        self.clustered = coder.strata is None
        self.autoencoder: AutoencoderLearning | None = None
        if coder.strata is not None:
            self.autoencoder = AutoencoderLearning(coder.strata.autoencoder, clusters, seed, processes)
            if clusters.strata_checkpoint is not None:
                coder.strata.load(clusters.strata_checkpoint, "strata_checkpoint")
                self.clustered = True
        kind: type[FilterLearning] = OnlineFilters if learning.learner == "online" else ConsensusFilters
        self.filters = kind(coder, learning, seed, processes)

    def step(self, batch: Tensor) -> dict[str, float]:
        """Learn from images (B, C, H, W) what it is the turn of; return what to log."""
        step = self.step_number
        images = batch.to(self.coder.filters)
        self.last = images
        if step == 0:
            self._check_batch(images)
        metrics = self._stage(images, step)
        self.step_number += 1
        return metrics

    def _stage(self, images: Tensor, step: int) -> dict[str, float]:
        in_references = step - self.stages.autoencoder
        in_filters = in_references - self.stages.references
        if in_references < 0 and self.autoencoder is not None:
            return self.autoencoder.step(images, step)
        if in_filters < 0:
            metrics = self._refer(images)
            if in_filters == -1:
                self._cluster()
            return metrics
        return self.filters.step(images, in_filters)

    def finish(self) -> None:
        """Go through what a run that was cut short left out, on its last batch; refuse a cluster without images.

        Raises:
            ValueError: a whole run met no image of some cluster.
        """
        if self.last is None:
            return
        if not self.clustered:
            if not self.features:
                self._refer(self.last)
            self._cluster()
        self.filters.finish(self.last)
        n_images = self.filters.n_images
        if self.step_number >= sum(self.stages) and not n_images.all():
            raise ValueError(
                f"`n_clusters` must leave no cluster without images to learn from, found {n_images.tolist()} images "
                "in them; lower it, or raise `n_iterations`."
            )

    def _check_batch(self, images: Tensor) -> None:
        """Refuse settings that the references cannot fulfil before the long work begins; all processes or none."""
        references = self.stages.references
        if not references or self.n_steps < sum(self.stages):
            return
        batch = int(self.processes.sum(images.new_tensor([len(images)])))
        most = min(self.settings.n_references, references * min(batch, self._quota()))
        needed = {
            "n_clusters": self.coder.n_clusters,
            "n_neighbours": self.settings.n_neighbours,
            "n_components": self.settings.n_components,
        }
        for name, least in needed.items():
            if least > most:
                raise ValueError(
                    f"`{name}` must be at most the number of reference images, which {references} batches of {batch} "
                    f"make {most}, found {least}; lower it, or raise `reference_iterations`, "
                    "`n_references` or `data.batch_size`."
                )

    @property
    def _strata(self) -> Strata:
        strata = self.coder.strata
        if strata is None:
            raise RuntimeError("A single cluster has no reference images.")
        return strata

    def _quota(self) -> int:
        """References taken of a batch, over all processes."""
        return -(-self.settings.n_references // max(self.stages.references, 1))

    def _refer(self, images: Tensor) -> dict[str, float]:
        """Keep the features of the first images of the batch."""
        features = self._strata.features(images[: self.processes.share(self._quota())])
        self.features.append(self.processes.rows_in_turn(features)[: self._quota()])
        return {"references": float(sum(map(len, self.features)))}

    def _cluster(self) -> None:
        self._strata.fit(torch.cat(self.features), self.processes.from_first)
        self.clustered = True
        self.features = []
        self.autoencoder = None  # its optimizer's moments are of no more use
