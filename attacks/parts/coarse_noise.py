"""Images of noise to start from where nothing else fools a model."""

import torch
from torch import Tensor

from sparsefront.common.noise import uniform

TRIES = 64  # noise images that a sample is tried with before it counts as unreachable
NOISE = 2**40  # first random stream of the starting noise, beyond those of any walk


def coarse_noise(images: Tensor, indices: Tensor, attempt: int, seed: int) -> Tensor:
    """Uniform noise of ever coarser grain, which depends on (seed, sample, attempt): fine noise often has one label.

    Args:
        images: (B, C, H, W), of the shape and kind wanted.
        indices: (B,) the samples' numbers.
        attempt: how often noise was tried before.
        seed: of the noise.
    """
    height, width = images.shape[2:]
    grain = 2 ** (attempt % max(height, width).bit_length())
    noise = uniform(indices, images.shape[1:], seed=seed, stream=NOISE + attempt).to(images)
    rows = torch.arange(height, device=images.device) // grain
    columns = torch.arange(width, device=images.device) // grain
    return noise[:, :, rows][..., columns].clamp(0, 1)
