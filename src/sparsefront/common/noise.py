"""Random numbers that depend on the sample, not on the batch."""

from functools import cache

import torch
from torch import Tensor


def uniform(indices: Tensor, shape: torch.Size, *, seed: int, stream: int | Tensor) -> Tensor:
    """Numbers in [0, 1) with 24 random bits, float32 (B, *shape), a function of (seed, index, stream, position) alone.

    The same on every device and in every batch: position p of sample i gets the hash of its own counter (the output
    function of SplitMix64, Steele et al. 2014), so nothing is drawn in sequence and no loop over samples is needed.

    Args:
        indices: (B,) int64 numbers of the samples.
        shape: of one sample's numbers.
        seed: of the experiment.
        stream: which of several independent fields of numbers, e.g. the number of the restart; (B,) for one a sample.
    """
    positions = torch.arange(shape.numel(), device=indices.device)
    key, streams = _mix(torch.tensor([seed], device=indices.device)), torch.as_tensor(stream, device=indices.device)
    state = _mix(_mix(indices + key) + _mix(streams ^ 0x5851F42D4C957F2D))
    words = _mix(state[:, None] + _mix(positions + 0x632BE59BD9B4E019))
    return ((words >> 40) & 0xFFFFFF).float().div(2**24).view(len(indices), *shape)


def normal(indices: Tensor, shape: torch.Size, *, seed: int, stream: int) -> Tensor:
    """Standard normal numbers, float32 (B, *shape), likewise but for rounding (Box and Muller 1958).

    Stream s >= 0 is made of the uniform streams 2s + 1 and -2s - 2: the even ones of `uniform` stay independent of it.
    """
    radius = (-2 * torch.log1p(-uniform(indices, shape, seed=seed, stream=2 * stream + 1))).sqrt()
    return radius * torch.cos(2 * torch.pi * uniform(indices, shape, seed=seed, stream=-2 * stream - 2))


@cache
def key_of(seed: int) -> int:
    """What the hashes of a seed begin with, as 64 bits without a sign, for compiled code that draws the same."""
    return int(_mix(torch.tensor([seed]))) % 2**64


def _mix(words: Tensor) -> Tensor:
    """SplitMix64's output function on int64 words; products wrap, shifts are made logical by a mask."""
    words = words + -7046029254386353131  # 0x9E3779B97F4A7C15
    words = (words ^ _shift(words, 30)) * -4658895280553007687  # 0xBF58476D1CE4E5B9
    words = (words ^ _shift(words, 27)) * -7723592293110705685  # 0x94D049BB133111EB
    return words ^ _shift(words, 31)


def _shift(words: Tensor, bits: int) -> Tensor:
    return (words >> bits) & ((1 << (64 - bits)) - 1)
