"""A split after its front end."""

from collections.abc import Sequence

import torch

from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.cached.projections import Projections
from sparsefront.data.splits.split import Split


class ProjectedSplit(Split):
    """Serve what a front end made of the images of a split, in their place.

    Args:
        split: whose labels and positions are served.

    Attributes:
        projections: what the front end made; a loader may be built, but not asked, before they are there.
    """

    projections: Projections

    def __init__(self, split: Split) -> None:
        super().__init__(split.source, split.positions)

    def __getitems__(self, items: Sequence[int]) -> ProjectedBatch:
        """Serve a batch, see the base class."""
        rows = torch.as_tensor(items)
        numbers = self.positions[rows]
        return ProjectedBatch(self.projections[rows], self.source.labels[numbers], numbers)
