"""How many signals a first-order solver works on at once."""

from math import prod

import torch
from torch import Tensor

from sparsecode.operators import Operator

# Bytes at which a CPU's thread is fastest: what its caches hold.
_CACHE = 6 * 2**20


def signals_at_once(signals: Tensor, operator: Operator, max_bytes: int) -> tuple[int, int]:
    """Signals whose working memory stays below `max_bytes`, and those of them to take some steps with in one go.

    Raises:
        ValueError: `max_bytes` below 1.
    """
    if max_bytes < 1:
        raise ValueError(f"`max_bytes` must be at least 1, found {max_bytes}.")
    each = (12 * prod(operator.code_shape) + 6 * prod(operator.signal_shape)) * signals.element_size()
    number = max(1, max_bytes // each)
    cached = max(1, _CACHE * torch.get_num_threads() // each)
    return number, min(number, cached) if signals.device.type == "cpu" else number
