"""Filters of clusters, learned by the paper's ADMM from images that are kept."""

import torch
from torch import Tensor

from sparsecode import ConsensusConvolutionalDictionary
from sparsefront.common.processes import Processes
from sparsefront.frontends.stl.cluster_coder import ClusterCoder
from sparsefront.frontends.stl.filter_learning import FilterLearning, first_filters
from sparsefront.frontends.stl.learning_settings import STLLearningSettings


class ConsensusFilters(FilterLearning):
    """Keeps `n_kept_images` of every cluster, then takes passes over them (`ConsensusConvolutionalDictionary`)."""

    def __init__(self, coder: ClusterCoder, settings: STLLearningSettings, seed: int, processes: Processes) -> None:
        super().__init__(coder, settings, seed, processes)
        self.kept: list[list[Tensor]] = [[] for _ in range(coder.n_clusters)]  # high-pass parts, on all processes
        self.learners: list[ConsensusConvolutionalDictionary] = []

    def step(self, images: Tensor, step: int) -> dict[str, float]:
        """Keep images in the first `n_iterations` steps, take a pass over those kept in each later one."""
        return self._keep(images) if step < self.settings.n_iterations else self._pass()

    def finish(self, last: Tensor) -> None:
        """Take one pass where none was taken, over the last batch where none is kept."""
        if self.learners:
            return
        if not self.n_images.any():
            self._keep(last)
        self._pass()

    def _keep(self, images: Tensor) -> dict[str, float]:
        high, clusters = (self.processes.rows_in_turn(rows) for rows in self.split_and_assign(images))
        for k, kept in enumerate(self.kept):
            room = self.settings.n_kept_images - sum(map(len, kept))
            kept.append(high[clusters == k][: max(room, 0)])
        return {"kept": float(sum(len(images) for kept in self.kept for images in kept))}

    def _pass(self) -> dict[str, float]:
        """One pass over the images kept of every cluster, dealt out to the processes in turn."""
        if not self.learners:
            self._begin()
        metrics = [learner.step(reduce=self.processes.sum) for learner in self.learners]
        return self.adopt((learner.filters for learner in self.learners), metrics)

    def _begin(self) -> None:
        """Deal the images out to the processes, and start the filters."""
        n_processes = self.processes.world
        whole = [torch.cat(kept) for kept in self.kept]
        if any(len(kept) < n_processes for kept in whole):
            raise ValueError(
                f"Every cluster must have at least {n_processes} images to learn from, one a process, found "
                f"{[len(kept) for kept in whole]}; lower `n_clusters`, or raise `n_iterations`."
            )
        local = [kept[self.processes.rank :: n_processes] for kept in whole]
        self.counts = [float(len(kept)) for kept in whole]
        first = first_filters([self.patches(images) for images in local], self.coder.filters.shape[1])
        self.learners = [
            ConsensusConvolutionalDictionary(images, filters, self.code)
            for images, filters in zip(local, first, strict=True)
        ]
        self.kept = []
