"""Small networks that an adversary fits to what a model answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from tqdm import tqdm

from sparsefront.common.random import drawing

LEARNING_RATE = 2e-3


@contextmanager
def fitting(seed: int, images: Tensor) -> Iterator[None]:
    """Where networks may be made and trained: gradients are possible, and torch's random states come back."""
    with drawing(images.device, seed), torch.inference_mode(False), torch.enable_grad():
        yield


def fit(
    network: nn.Module, images: Tensor, batch_loss: Callable[[Tensor], Tensor], steps: int, batch_size: int
) -> nn.Module:
    """Minimise a loss of batches (B, C, H, W) of images (N, C, H, W) by Adam; return the network frozen."""
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for _ in tqdm(range(steps), desc="fitting a surrogate", leave=False, disable=None, delay=2):
        loss = batch_loss(images[torch.randint(len(images), (batch_size,)).to(images.device)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)
