"""Pixels replaced by others of their image."""

import torch
from torch import Tensor


def deflect(images: Tensor, places: Tensor, sources: Tensor) -> Tensor:
    """Give (N, C, H, W) images, at pixels `places` (N, K), the values of their pixels `sources` (N, K)."""
    pixels = images.flatten(2)
    # Of several draws of one pixel the last counts, as in a loop, on every device.
    turns = torch.arange(places.shape[1], device=places.device).expand_as(places)
    last = turns.new_full((len(pixels), pixels.shape[2]), -1).scatter_reduce(1, places, turns, "amax")
    own = torch.arange(pixels.shape[2], device=places.device)
    origin = torch.where(last >= 0, sources.gather(1, last.clamp_min(0)), own)
    return pixels.gather(2, origin[:, None].expand_as(pixels)).view_as(images)
