"""The contract of a read-out that is solved on codes rather than trained."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from sparsefront.classifiers.parts.code_reader import CodeReader
from sparsefront.common.refusals import refusals_by
from sparsefront.common.rules import at_least, check_rules


class ReadOut(CodeReader, ABC):
    """A linear map of a front end's codes that a solver finds from all of them at once: (B, C, h, w) -> logits (B, K).

    It reads the codes' means over the positions. `learn` fills `linear`, through which adversaries differentiate as
    through that of any classifier.

    Args:
        in_chans: C.
        num_classes: K.

    Attributes:
        linear: the map, an `nn.Linear`.
        learned: bool buffer, whether it has been found; kept in checkpoints.
        default_objective: the objective that trains it where none is named.

    Raises:
        ValueError: fewer than one neuron or two classes.
    """

    default_objective: ClassVar[str] = "SolvedReadOut"
    learned: Tensor

    def __init__(self, in_chans: int, num_classes: int) -> None:
        super().__init__(in_chans)
        check_rules(at_least(2, num_classes=num_classes))
        self.num_classes = num_classes
        self.linear = nn.Linear(in_chans, num_classes)
        self.register_buffer("learned", torch.tensor(False))

    @abstractmethod
    def solve(self, codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Find the weights (K, C) and the biases (K,) of the logits from codes (N, C), on the CPU, and labels (N,)."""

    def learn(self, codes: Tensor, labels: Tensor) -> None:
        """Fill `linear`.

        Args:
            codes: (N, C), the means over the positions of N training images' codes.
            labels: (N,), their classes, each of which must occur.

        Raises:
            ValueError: codes that are not finite, or all the same, or not as many as labels; a class without an image.
        """
        codes, labels = codes.detach().cpu().double(), labels.detach().cpu()
        with refusals_by(type(self)):
            self._check(codes, labels)
            weight, bias = self.solve(codes, labels)
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            self.linear.bias.copy_(bias)
            self.learned.fill_(True)

    def _check(self, codes: Tensor, labels: Tensor) -> None:
        if codes.shape != (len(labels), self.in_chans):
            raise ValueError(
                f"`codes` must have shape ({len(labels)}, {self.in_chans}), a row a label, found {tuple(codes.shape)}."
            )
        missing = sorted(set(range(self.num_classes)) - set(labels.tolist()))
        if missing:
            raise ValueError(
                f"`labels` must hold each of the {self.num_classes} classes, found none of class {missing[0]} among "
                f"{len(labels)}; learn from more training images (`trainer.limit_train_batches`)."
            )
        if not codes.isfinite().all():
            raise ValueError("`codes` must be finite, found some that are not; look at what the front end returns.")
        if not (codes != codes[0]).any():
            raise ValueError(
                f"`codes` must differ from image to image, found {len(codes)} that are the same; if all are 0, lower "
                "the threshold of the front end's top layer."
            )

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits.

        Raises:
            RuntimeError: it has not learned.
        """
        if not self.learned:
            raise RuntimeError(
                f"This {type(self).__name__} has not learned yet; run `sparsefront fit`, which solves it after the "
                "epoch's last batch, name a checkpoint of such a run, or call `learn`."
            )
        logits: Tensor = self.linear(self.pool(codes))
        return logits
