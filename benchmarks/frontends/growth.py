"""Memory that a call needs, measured in a process of its own."""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

from torch import Tensor


def growth(call: Callable[[Tensor], object], images: Tensor) -> float:
    """Bytes that a call needs beyond what is there, whatever was called before.

    What the heap keeps of earlier calls would hide them: it is handed back first, and from the first measurement on
    large tensors get memory of their own, which is slower. So time comes before memory.
    """
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(-3, 2**16)  # M_MMAP_THRESHOLD
    call(images[:1])  # code and caches
    gc.collect()
    libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # forget the largest size so far
    before = _memory("VmRSS")
    call(images)
    return float(max(_memory("VmHWM") - before, 0))


def _memory(key: str) -> int:
    """Bytes of this process, `VmRSS` now or `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))
