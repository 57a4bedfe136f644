"""Filters of clusters, learned from a stream of batches."""

from torch import Tensor

from sparsecode import OnlineConvolutionalDictionary
from sparsefront.common.processes import Processes
from sparsefront.frontends.stl.cluster_coder import ClusterCoder
from sparsefront.frontends.stl.filter_learning import FilterLearning, first_filters
from sparsefront.frontends.stl.learning_settings import STLLearningSettings


class OnlineFilters(FilterLearning):
    """One step of every cluster's online learner a batch (`sparsecode.OnlineConvolutionalDictionary`)."""

    def __init__(self, coder: ClusterCoder, settings: STLLearningSettings, seed: int, processes: Processes) -> None:
        super().__init__(coder, settings, seed, processes)
        self.learners: list[OnlineConvolutionalDictionary] = []

    def step(self, images: Tensor, step: int) -> dict[str, float]:
        """Learn from images (B, C, H, W); return what to log."""
        high, clusters = self.split_and_assign(images)
        n_clusters, n_filters = self.coder.filters.shape[:2]
        if not self.learners:
            patches, of_patches = self.patches(high), self.processes.rows_in_turn(clusters)
            first = first_filters([patches[of_patches == k] for k in range(n_clusters)], n_filters)
            self.learners = [OnlineConvolutionalDictionary(filters, self.code) for filters in first]
        metrics = [learner.step(high[clusters == k], self.processes.sum) for k, learner in enumerate(self.learners)]
        return self.adopt((learner.filters for learner in self.learners), metrics)

    def finish(self, last: Tensor) -> None:
        """Learn from the last batch where none has been learned from."""
        if not self.learners:
            self.step(last, 0)
