"""The precision and the device that tests run in, as the environment says.

`SPARSEFRONT_TEST_DTYPE` (float32, float64) is what torch makes tensors of where nothing else is said, in every test;
`SPARSEFRONT_TEST_DEVICE` (cpu, cuda, ...) is where the tests of contracts put images and parts.
"""

import os
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "float64": torch.float64}
DTYPE = DTYPES[os.environ.get("SPARSEFRONT_TEST_DTYPE", "float32")]
DEVICE = torch.device(os.environ.get("SPARSEFRONT_TEST_DEVICE", "cpu"))
Part = TypeVar("Part", Tensor, nn.Module)


def in_single_precision(reason: str) -> pytest.MarkDecorator:
    """Mark a test that can run in single precision alone, for this reason; in another it is skipped."""
    return pytest.mark.skipif(torch.float32 != DTYPE, reason=f"in single precision alone: {reason}")


def placed(part: Part) -> Part:
    """Move a tensor or a module to the device that the environment names; its precision is left as it is."""
    return part.to(DEVICE)
