"""From tensors to arrays."""

import numpy as np
import torch
from torch import Tensor


def as_array(tensor: Tensor) -> np.ndarray:
    """The same numbers; those in half precision, which NumPy or those who draw do not know, in single."""
    half = tensor.dtype in (torch.float16, torch.bfloat16)
    array: np.ndarray = (tensor.float() if half else tensor).detach().cpu().numpy()
    return array
