"""Batches of what a front end returned, in place of images."""

from sparsefront.data.batch import Batch


class ProjectedBatch(Batch):
    """Samples that a front end has seen already: `image` is what it returned, an image or codes, perhaps augmented."""

    __slots__ = ()
