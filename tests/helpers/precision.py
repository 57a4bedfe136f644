"""The precision and the device that tests run in, as the environment says.

`SPARSEFRONT_TEST_DTYPE` (float32, float64) is what torch makes tensors of where nothing else is said, in every test;
bfloat16 and float16 leave that at float32 and are what the tests of half precision run in.
`SPARSEFRONT_TEST_DEVICE` (cpu, cuda, ...) is where the tests of contracts put images and parts.
"""

import os
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "float64": torch.float64}
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_ASKED = os.environ.get("SPARSEFRONT_TEST_DTYPE", "float32")
DTYPE = DTYPES.get(_ASKED, torch.float32)
HALF = HALVES.get(_ASKED)
DEVICE = torch.device(os.environ.get("SPARSEFRONT_TEST_DEVICE", "cpu"))
Part = TypeVar("Part", Tensor, nn.Module)


def check_environment() -> None:
    """Raise a ValueError if the environment names a precision that is none of these, or a device that is not there."""
    if _ASKED not in {**DTYPES, **HALVES}:
        known = ", ".join([*DTYPES, *HALVES])
        raise ValueError(f"`SPARSEFRONT_TEST_DTYPE` must be one of {known}, found {_ASKED!r}.")
    if DEVICE.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"`SPARSEFRONT_TEST_DEVICE` is {str(DEVICE)!r}, but torch sees no GPU; leave it out to test on the CPU."
        )


def in_single_precision(reason: str) -> pytest.MarkDecorator:
    """Mark a test that can run in single precision alone, for this reason; in another it is skipped."""
    return pytest.mark.skipif(torch.float32 != DTYPE, reason=f"in single precision alone: {reason}")


def placed(part: Part) -> Part:
    """Move a tensor or a module to the device that the environment names; its precision is left as it is."""
    return part.to(DEVICE)
