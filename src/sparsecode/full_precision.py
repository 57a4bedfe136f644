"""Coding in the input's own precision."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def full_precision(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Keep autocast out of a function of tensors, such as a front end in a model that trains with mixed precision.

    Autocast would round single products inside a solver to half precision: the solver then stops far from its
    solution, or fails where a kernel or a factorisation meets two dtypes.
    """

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return function(*args, **kwargs)

    return run
