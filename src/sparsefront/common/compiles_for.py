"""What compiled kernels take."""

import torch
from torch import Tensor


def compiles_for(tensor: Tensor) -> bool:
    """Whether compiled kernels take such a tensor: on the processor, in single or double precision."""
    return tensor.device.type == "cpu" and tensor.dtype in (torch.float32, torch.float64)
