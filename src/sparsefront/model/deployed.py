"""A front end and a classifier, deployed as one."""

from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from sparsefront.common.build_part import build_part
from sparsefront.common.logits import logits_of, mean_over_copies
from sparsefront.data.batch import Batch
from sparsefront.data.cached.projected_batch import ProjectedBatch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.frontends import FrontEnd
from sparsefront.model.checks import check_codes, check_num_classes
from sparsefront.model.known_classes import note_named

Builder = Callable[[tuple[int, int, int]], FrontEnd]
ClassifierBuilder = Callable[[int, int], nn.Module]


class DeployedClassifier(pl.LightningModule):
    """`classifier(frontend(images))`: (B, C, H, W) images in [0, 1] -> logits (B, `num_classes`).

    This is what an adversary meets; `DefendedClassifier` adds how it is trained and tested. Where the front end makes
    several copies of an image, their probabilities are averaged. Both parts are handed copies of their input, into
    which they may write.

    Args:
        classifier: called with (input channels, number of classes).
        frontend: called with (C, H, W).
        image_shape: (C, H, W) of the images.
        num_classes: number of classes.

    Raises:
        ValueError: fewer than 2 classes, a classifier of codes behind a front end that returns images, or a setting
            that the parts refuse.
    """

    frontend: FrontEnd
    classifier: nn.Module

    def __init__(
        self, classifier: ClassifierBuilder, frontend: Builder, image_shape: tuple[int, int, int], num_classes: int
    ) -> None:
        super().__init__()
        check_num_classes(num_classes)
        self.num_classes = num_classes
        self.frontend = build_part("frontend", frontend, {"image_shape": image_shape}, FrontEnd)
        sizes = {"in_chans": self.frontend.out_channels, "num_classes": num_classes}
        self.classifier = build_part("classifier", classifier, sizes, nn.Module)
        note_named(self.frontend, self.classifier)
        check_codes(self.classifier, self.frontend)

    @property
    def system(self) -> str:
        """What the tables call this model."""
        return f"{type(self.frontend).__name__} + {type(self.classifier).__name__}"

    @property
    def reads(self) -> torch.dtype:
        """The precision of its weights, and so of the images that it reads."""
        return next((one.dtype for one in self.parameters() if one.is_floating_point()), torch.get_default_dtype())

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, K)."""
        return self.logits_from(self.frontend(images.clone()))

    def logits_from(self, seen: Tensor) -> Tensor:
        """Logits (B, K) of what the front end returned for B images: `n_copies` rows an image."""
        logits = self.classify(seen)
        n_copies = self.frontend.n_copies
        return logits if n_copies == 1 else mean_over_copies(logits.unflatten(0, (-1, n_copies)))

    def logits_of_batch(self, batch: Batch | NamedBatch) -> Tensor:
        """Logits (B, K) of a batch of images, or of what `FrontEndCache` kept of them."""
        return self.logits_from(batch.image) if isinstance(batch, ProjectedBatch) else self(batch.image)

    def classify(self, seen: Tensor) -> Tensor:
        """The classifier's logits (N, K) of inputs (N, C, H, W), which stay as they are whatever it does to its own."""
        return logits_of(self.classifier(seen.clone()), f"`model.classifier` {type(self.classifier).__name__}")
