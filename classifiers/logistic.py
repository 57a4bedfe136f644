"""Logistic regression on codes."""

from torch import Tensor, nn

from sparsefront.classifiers.parts.code_reader import CodeReader, common_scale
from sparsefront.common.rules import at_least, check_rules


class Logistic(CodeReader):
    """Logistic regression on a front end's codes, trained by gradients: (B, C, h, w) -> logits (B, K).

    The codes' means over the positions, brought to mean 0 and deviation 1 by numbers that all neurons share (codes are
    small, and a learning rate then suits those of any front end), go through one linear layer.

    Args:
        in_chans: C.
        num_classes: K.

    Raises:
        ValueError: `in_chans` or `num_classes` below 1; at call, codes of another shape.
    """

    def __init__(self, in_chans: int, num_classes: int) -> None:
        super().__init__(in_chans)
        check_rules(at_least(1, num_classes=num_classes))
        self.scale = common_scale(in_chans)
        self.linear = nn.Linear(in_chans, num_classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(self.scale(self.pool(codes)))
        return logits
