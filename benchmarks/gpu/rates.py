"""What a device can do at most, measured: the two ceilings that a floor is made of."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.gpu.timing import seconds_of

_SIDE = {"cuda": 8192, "cpu": 1024}
_COPIED = {"cuda": 2**31, "cpu": 2**26}  # bytes, several times the largest cache

_TERA = 1e12
_UNITS = {"bytes": 1e9}


@dataclass(frozen=True)
class Rates:
    """Measured ceilings of one device.

    Attributes:
        bytes: read and written a second by a large copy.
        float32: floating-point operations a second of a large product in float32.
        convolution: likewise at the precision that float32 convolutions are computed in, TF32 on a GPU.
        bfloat16: likewise in bfloat16.
    """

    bytes: float
    float32: float
    convolution: float
    bfloat16: float

    @classmethod
    def measured(cls, device: torch.device, toy: bool = False) -> "Rates":
        """Of this device, now."""
        shrink = 8 if toy else 1
        source = torch.rand(_COPIED[device.type] // shrink // 4, device=device)
        target = torch.empty_like(source)
        copied = 2 * source.numel() * source.element_size() / seconds_of(lambda: target.copy_(source), device)
        side = _SIDE[device.type] // shrink
        plain = _product(device, side, torch.float32)
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32
        try:
            convolution = _product(device, side, torch.float32) if device.type == "cuda" else plain
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before
        return cls(copied, plain, convolution, _product(device, side, torch.bfloat16))

    @classmethod
    def read(cls, written: dict[str, Any]) -> "Rates":
        """Of a results file."""
        return cls(**{name: value * _UNITS.get(name, _TERA) for name, value in written.items()})

    def written(self) -> dict[str, Any]:
        """For a results file, in gigabytes and teraflops a second."""
        return {name: float(f"{value / _UNITS.get(name, _TERA):.4g}") for name, value in asdict(self).items()}


def _product(device: torch.device, side: int, dtype: torch.dtype) -> float:
    """Operations a second of a product of random matrices: of zeros it would be faster."""
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: one @ other, device)
