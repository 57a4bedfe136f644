"""Small models to attack."""

import pytest
import torch
from torch import nn


@pytest.fixture(scope="session")
def conv_net():
    """A conv net in float64, (B, 2, 6, 6) -> (B, 5), whose classes share random images about evenly."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        single = {"dtype": torch.float32}  # the same draws whatever precision the tests run in
        convolutions = nn.Conv2d(2, 6, 3, **single), nn.ReLU(), nn.Conv2d(6, 8, 3, **single), nn.Softplus()
        net = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(32, 5, **single)).double().eval()
        with torch.no_grad():
            logits = net(torch.rand(500, 2, 6, 6, **single).double())
            net[-1].bias -= logits.mean(dim=0)
            net[-1].weight /= logits.std(dim=0)[:, None]
            net[-1].bias /= logits.std(dim=0)
    return net


@pytest.fixture
def batch(conv_net):
    """Images (7, 2, 6, 6) in float64 that the conv net gets right, all but the last."""
    images = torch.rand(7, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        labels = conv_net(images).argmax(dim=1)
    labels[-1] = (labels[-1] + 1) % 5
    return images, labels
