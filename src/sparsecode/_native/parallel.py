"""Threads over signals."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

# Several runs a thread, so that a thread whose signals are easy takes more of them.
_RUNS_PER_THREAD = 8


def over_signals(kernel: Callable[[int, int], None], number: int, smallest: int = 64) -> None:
    """Call `kernel(first, last)` on runs that together cover range(`number`), on as many threads as torch uses.

    The kernel must release the GIL and write only its own signals. Threads of Python rather than of Numba: Numba's
    OpenMP layer aborts in forked children, such as data-loader workers, and its own is not safe to enter twice.

    Args:
        kernel: works on the signals from `first` to `last`, excluded.
        number: of signals.
        smallest: run worth a thread.
    """
    threads = min(torch.get_num_threads(), max(number // smallest, 1))
    if threads == 1:
        kernel(0, number)
        return
    length = max(-(-number // (threads * _RUNS_PER_THREAD)), smallest)
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(kernel, i, min(i + length, number)) for i in range(0, number, length)]:
            done.result()


def correlated(signals: Tensor, dictionary: Tensor, max_bytes: int) -> Iterator[tuple[slice, Tensor]]:
    """Runs of signals (N, m) with their correlations D^T y (n, K), in a buffer that the next run overwrites.

    A few hundred signals a thread: their correlations stay in the second cache between the product that writes them
    and the kernel that reads them.
    """
    n_atoms = dictionary.shape[1]
    length = max(min(512 * torch.get_num_threads(), max_bytes // (signals.element_size() * n_atoms)), 1)
    buffer = signals.new_empty(min(length, len(signals)), n_atoms)
    for start in range(0, len(signals), length):
        run = slice(start, min(start + length, len(signals)))
        yield run, torch.mm(signals[run], dictionary, out=buffer[: run.stop - run.start])
