"""The best pair of pixels without a look at all pairs."""

import torch
from torch import Tensor


def most_salient_pair(rises: Tensor, falls: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """The pair (p, q) of largest (r_p + r_q) (f_p + f_q) with both sums positive, row by row.

    A pixel that two others beat in both r and f is in no best pair that one without it does not equal, so that only
    the few others are paired: memory grows with the pixels, not with their square.

    Args:
        rises: r, (B, D).
        falls: f, (B, D).
        free: bool (B, D), the pixels that may be taken.

    Returns:
        Pixel numbers (B, 2), and whether there is a pair with both sums positive (B,).
    """
    rises, falls = _scaled(rises).masked_fill(~free, -torch.inf), _scaled(falls).masked_fill(~free, -torch.inf)
    rises, order = rises.sort(dim=1, descending=True, stable=True)
    falls = falls.gather(1, order)
    kept = falls > _second_before(falls)
    count = int(kept.sum(dim=1).max().clamp_min(2))
    # Those kept come first, in order; what fills shorter rows does no harm.
    chosen = kept.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices[:, :count]
    first, second, best = _best_of_all(rises.gather(1, chosen), falls.gather(1, chosen), rises.shape[1])
    pairs = order.gather(1, chosen.gather(1, torch.stack([first, second], dim=1)))
    return pairs, best > -torch.inf


def _scaled(values: Tensor) -> Tensor:
    """Rows (B, D) with largest magnitude 1, so that no product leaves the floats' range."""
    largest = values.abs().amax(dim=1, keepdim=True)
    return values / torch.where(largest > 0, largest, 1)


def _second_before(values: Tensor) -> Tensor:
    """The second largest of all values before each, -inf where there are fewer than two: (B, D) -> (B, D)."""
    least = torch.full_like(values[:, :1], -torch.inf)
    largest = torch.cat([least, values.cummax(dim=1).values[:, :-1]], dim=1)
    beaten = torch.minimum(values, largest).cummax(dim=1).values
    return torch.cat([least, beaten[:, :-1]], dim=1)


def _best_of_all(rises: Tensor, falls: Tensor, at_once: int) -> tuple[Tensor, Tensor, Tensor]:
    """Positions (B,), (B,) of the best pair of pixels (B, S), and its product (B,), -inf without a pair that helps.

    About `at_once` pairs of a row are in memory at a time.
    """
    rows, size = rises.shape
    best = rises.new_full((rows,), -torch.inf)
    first, second = (torch.zeros(rows, dtype=torch.int64, device=rises.device) for _ in range(2))
    chunk = max(1, at_once // size)
    positions = torch.arange(size, device=rises.device)
    for some in positions.split(chunk):
        up, down = rises[:, some, None] + rises[:, None], falls[:, some, None] + falls[:, None]
        helps = (up > 0) & (down > 0) & (some[:, None] != positions)
        value, place = torch.where(helps, up * down, -torch.inf).flatten(1).max(dim=1)
        better = value > best
        best = torch.where(better, value, best)
        first = torch.where(better, some[0] + place // size, first)
        second = torch.where(better, place % size, second)
    return first, second, best
