import numpy as np
import torch

from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.cached.projected_split import ProjectedSplit
from sparsefront.data.cached.projections import Projections
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.data.splits.split import Split


def test_rows_take_the_place_of_images_with_the_labels_and_numbers_of_the_split(tmp_path):
    source = ArrayImages(torch.zeros(6, 1, 2, 2, dtype=torch.uint8), torch.arange(6) * 10, (2, 2))
    split = ProjectedSplit(Split(source, torch.tensor([5, 0, 3])))
    rows = torch.rand(3, 4, 1, 1)
    split.projections = Projections(tmp_path, 3)
    split.projections.begin((4, 1, 1), np.dtype(np.float32))
    split.projections.write(torch.arange(3), rows)
    split.projections.end({})
    batch = split.__getitems__([2, 0])
    assert isinstance(batch, ProjectedBatch)
    assert torch.equal(batch.image, rows[[2, 0]])
    assert batch.label.tolist() == [30, 50]
    assert batch.index.tolist() == [3, 5]
    assert isinstance(split[1], ProjectedBatch)
    assert torch.equal(split[1].image, rows[1])
    assert len(split) == 3
