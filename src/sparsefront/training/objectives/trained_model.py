"""What an objective may ask of the model that it trains."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import pytorch_lightning as pl
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from sparsefront.data.batch import Batch
from sparsefront.data.named_batch import NamedBatch
from sparsefront.frontends import FrontEnd


class TrainedModel(Protocol):
    """The side of a `DefendedClassifier` that an objective sees: `classifier(frontend(images))`, and its trainer."""

    num_classes: int
    build_optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    build_scheduler: Callable[[Optimizer, int], LRScheduler] | None

    @property
    def frontend(self) -> FrontEnd:
        """The front end, which reads the images."""

    @property
    def classifier(self) -> nn.Module:
        """The classifier, which reads what the front end returns."""

    @property
    def trainer(self) -> pl.Trainer:
        """The trainer that fits the model; a RuntimeError outside of a fit."""

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W) in [0, 1], which an adversarial objective moves."""

    def logits_from(self, seen: Tensor) -> Tensor:
        """Logits (B, K) of what the front end returned for B images."""

    def logits_of_batch(self, batch: Batch | NamedBatch) -> Tensor:
        """Logits (B, K) of a batch of images, or of what `FrontEndCache` kept of them."""

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy with the model's class weights, the mean over the images."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Parameters of the front end and of the classifier."""

    def train(self, mode: bool = True) -> Any:
        """Set training mode, or, with False, evaluation mode."""
