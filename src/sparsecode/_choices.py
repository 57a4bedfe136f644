"""How a coder computes and how its result is differentiated."""

from typing import Literal

Gradient = Literal["none", "unrolled", "implicit"]
"""`none`: codes are constants. `unrolled`: autograd through the last iterations, which start at the solution.
`implicit`: the optimality conditions on the code's support, differentiated; exact where the support does not change."""

Backend = Literal["native", "torch"]
"""`native`: compiled CPU kernels. `torch`: torch operations alone, on any device."""


def default_backend(backend: Backend | None, device: str) -> Backend:
    """The backend asked for, or the compiled kernels on a CPU and torch elsewhere.

    Raises:
        ValueError: compiled kernels asked for off the CPU, or an unknown name.
    """
    if backend is None:
        return "native" if device == "cpu" else "torch"
    if backend not in ("native", "torch"):
        raise ValueError(f"`backend` must be native, torch or None, found {backend!r}.")
    if backend == "native" and device != "cpu":
        raise ValueError(f"`backend` native runs on the CPU only, found signals on {device}; leave it out.")
    return backend
