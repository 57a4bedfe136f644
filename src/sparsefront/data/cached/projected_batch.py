"""What a data module hands over in the place of images that need no front end any more."""

from sparsefront.data.batch import Batch


class ProjectedBatch(Batch):
    """Samples that a front end has seen already: `image` is what it returned, an image or codes, perhaps augmented."""

    __slots__ = ()
