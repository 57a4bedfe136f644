"""Memory for codes."""

import numpy as np
import torch
from torch import Tensor


def blank_codes(signals: Tensor, *shape: int) -> Tensor:
    """Zeros of the signals' dtype (float32 or float64) and device.

    On a CPU NumPy gives the memory: it asks the kernel for huge pages, which torch does not. Sparse codes are large for
    the work that fills them in: the first touch of small pages would cost as much as finding the codes.
    """
    if signals.device.type != "cpu":
        return signals.new_zeros(shape)
    return torch.from_numpy(np.zeros(shape, str(signals.dtype).removeprefix("torch.")))
