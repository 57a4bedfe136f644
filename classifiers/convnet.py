"""A small network for digits."""

from torch import Tensor, nn

from sparsefront.common.rules import at_least, check_rules, from_0_to_1
from sparsefront.common.settings import checked_settings


@checked_settings
class ConvNet(nn.Module):
    """Two convolutions, two linear layers: (B, C, H, W) in [0, 1] -> logits (B, K). No normalisation.

    Args:
        in_chans: C.
        num_classes: K.
        width: channels of the first convolution; the second has twice as many.
        hidden: units of the first linear layer.
        dropout: probability of dropping a hidden unit in training.

    Raises:
        ValueError: a number below 1 of channels, classes or units, a `dropout` outside [0, 1].
    """

    def __init__(
        self, in_chans: int, num_classes: int, width: int = 32, hidden: int = 128, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_rules(at_least(1, in_chans=in_chans, num_classes=num_classes, width=width, hidden=hidden))
        check_rules(from_0_to_1(dropout=dropout))
        self.features = nn.Sequential(
            nn.Conv2d(in_chans, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(5),  # any image size
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(2 * width * 25, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def change_layers(self) -> list[nn.Module]:
        """What images go through, one after the other, so that what a few changed pixels change can be followed."""
        return [self.features, self.head]

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(images))
        return logits
