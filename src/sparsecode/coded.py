"""What every coder returns."""

from typing import Any, NamedTuple

from torch import Tensor


class Coded(NamedTuple):
    """Codes and how they were reached.

    Attributes:
        codes: one code a signal, of the signals' dtype and device. They may share memory with the state: change neither
            in place while the other is wanted.
        converged: (N,) bool, the signals whose stopping rule was met. Where one is False the coder has also warned,
            once a call.
        state: what the same coder takes as `start` to go on from here, for this signal or one close to it; None from a
            coder that does not iterate towards its answer.
    """

    codes: Tensor
    converged: Tensor
    state: Any = None
