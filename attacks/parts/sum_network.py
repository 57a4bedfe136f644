"""A small network for images of any kind."""

import torch
from torch import Tensor, nn

SIDE = 7  # of what the linear layers behind convolutions read
LARGEST_SIDE = 32  # of what the others read
HIDDEN = 128


class SumNetwork(nn.Module):
    """A convolutional network and a fully connected one, added: (B, C, H, W) -> logits (B, K).

    Args:
        image_shape: (C, H, W).
        n_classes: K.
        width: channels of the first convolution; the second has twice as many.
    """

    def __init__(self, image_shape: torch.Size, n_classes: int, width: int) -> None:
        super().__init__()
        channels, sides = image_shape[0], [min(side, LARGEST_SIDE) for side in image_shape[1:]]
        self.convolutional = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(SIDE),
            nn.Flatten(),
            nn.Linear(2 * width * SIDE**2, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, n_classes),
        )
        self.connected = nn.Sequential(
            nn.AdaptiveAvgPool2d((sides[0], sides[1])),
            nn.Flatten(),
            nn.Linear(channels * sides[0] * sides[1], 2 * HIDDEN),
            nn.ReLU(),
            nn.Linear(2 * HIDDEN, n_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Add both."""
        logits: Tensor = self.convolutional(images) + self.connected(images)
        return logits
