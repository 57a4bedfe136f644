"""The least time that a call could take on a device."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.gpu.rates import Rates


class _Counter(TorchDispatchMode):
    """Counts as `torch.utils.flop_counter.FlopCounterMode` does, which refuses gradients by inputs of modules."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without types
        self.flops: dict[str, float] = {"product": 0.0, "convolution": 0.0}

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Call an operation and add what it needs."""
        out = func(*args, **(kwargs or {}))
        operation = func._overloadpacket
        if operation in flop_registry:
            kind = "convolution" if "convolution" in str(operation) else "product"
            self.flops[kind] += flop_registry[operation](*args, **(kwargs or {}), out_val=out)
        return out


def counted(call: Callable[[], object]) -> dict[str, float]:
    """Floating-point operations of one call, as torch counts them: those of each `product` and `convolution`.

    Compiled CPU kernels are not seen, nor is what is neither product nor convolution.
    """
    counter = _Counter()
    with counter:
        call()
    return counter.flops


def floor_seconds(flops: Mapping[str, float], moved: float, rates: Rates) -> dict[str, Any]:
    """The larger of arithmetic and memory traffic at the measured rates.

    Args:
        flops: as `counted` returns them.
        moved: bytes that are read or written at least: every input and output once.
        rates: of the device.

    Returns:
        `seconds` and `bound`, arithmetic or bytes.
    """
    arithmetic = flops["product"] / rates.float32 + flops["convolution"] / rates.convolution
    memory = moved / rates.bytes
    return {"seconds": max(arithmetic, memory), "bound": "arithmetic" if arithmetic >= memory else "bytes"}
