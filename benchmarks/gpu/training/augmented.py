"""Random crops and flips of a batch, where the data lies."""

import torch
from torch import Tensor
from torch.nn import functional as F

PADDING = 4  # zero pixels on each side, as `sparsefront.data.loading.augment`


def padded(images: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C, H + 8, W + 8), zeros around."""
    return F.pad(images, (PADDING,) * 4)


def augmented(data: Tensor, rows: Tensor, offsets: Tensor, flips: Tensor) -> Tensor:
    """Crop and flip some images of a data set, all in one gather.

    Args:
        data: (N, C, H + 8, W + 8) uint8, `padded`.
        rows: (B,) int64, which images.
        offsets: (B, 2) int64, from 0 to 8: the first row and column of each crop.
        flips: (B,) bool, the crops whose columns are reversed.

    Returns:
        (B, C, H, W) float32 in [0, 1].
    """
    height, width = (side - 2 * PADDING for side in data.shape[2:])
    down = offsets[:, :1] + torch.arange(height, device=data.device)
    across = torch.arange(width, device=data.device).expand(len(rows), -1)
    across = offsets[:, 1:] + torch.where(flips[:, None], width - 1 - across, across)
    channels = torch.arange(data.shape[1], device=data.device)[None, :, None, None]
    found = data[rows[:, None, None, None], channels, down[:, None, :, None], across[:, None, None, :]]
    return found.float() / 255
