"""A multi-layer perceptron on codes."""

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

from torch import Tensor, nn

from sparsefront.classifiers.parts.code_reader import CodeReader, common_scale
from sparsefront.common.rules import at_least, check_rules, from_0_to_1


class MLP(CodeReader):
    """Linear layers with ReLUs between them on a front end's codes: (B, C, h, w) -> logits (B, K).

    Reads the codes' means over the positions, at mean 0 and deviation 1 over all neurons, as `Logistic` does.

    Args:
        in_chans: C.
        num_classes: K.
        hidden: units of each hidden layer, from the codes up.
        dropout: probability of dropping a hidden unit in training.

    Raises:
        ValueError: a layer without units, a `dropout` outside [0, 1], `in_chans` or `num_classes` below 1; at
            call, codes of another shape.
    """

    def __init__(self, in_chans: int, num_classes: int, hidden: Sequence[int] = (256,), dropout: float = 0.0) -> None:
        super().__init__(in_chans)
        check_rules(at_least(1, num_classes=num_classes))
        if not hidden or not all(isinstance(units, Integral) and units >= 1 for units in hidden):
            raise ValueError(
                f"`hidden` must list at least one layer of at least 1 unit, found {list(hidden)}; "
                "without a hidden layer it is sparsefront.classifiers.Logistic."
            )
        check_rules(from_0_to_1(dropout=dropout))
        self.scale = common_scale(in_chans)
        layers = [
            layer
            for inputs, outputs in pairwise((in_chans, *hidden))
            for layer in (nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout))
        ]
        self.hidden = nn.Sequential(*layers)
        self.linear = nn.Linear(hidden[-1], num_classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(self.hidden(self.scale(self.pool(codes))))
        return logits
