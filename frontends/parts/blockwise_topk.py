"""The few largest of many numbers."""

import torch
from torch import Tensor

_BLOCK = 32


def blockwise_topk(numbers: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The `k` largest numbers of each row (N, L) and their places, two (N, k), the largest first.

    They are in the `k` blocks of a row whose own largest numbers are largest: only these are sorted, so that the rest
    is read once. `torch.topk` does several times that on a CPU.
    """
    whole = numbers.shape[1] // _BLOCK * _BLOCK
    if whole <= k * _BLOCK:
        found = numbers.topk(k, dim=1)
        return found.values, found.indices
    blocks = numbers[:, :whole].unflatten(1, (-1, _BLOCK)).amax(dim=2).topk(k, dim=1).indices
    within = torch.arange(_BLOCK, device=numbers.device)
    rest = torch.arange(whole, numbers.shape[1], device=numbers.device).expand(len(numbers), -1)
    places = torch.cat([(blocks[:, :, None] * _BLOCK + within).flatten(1), rest], dim=1)
    found = numbers.gather(1, places).topk(k, dim=1)
    return found.values, places.gather(1, found.indices)
