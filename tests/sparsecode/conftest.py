import threading
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def together():
    """`together(number, work)`: the results of `work(rank, reduce)` of each rank, run at once, `reduce` their sum."""

    def run(number, work):
        handed, barrier = [None] * number, threading.Barrier(number, timeout=60)

        def process(rank):
            def reduce(tensor):
                handed[rank] = tensor
                barrier.wait()
                total = sum(handed[1:], start=handed[0])
                barrier.wait()
                return total

            try:
                return work(rank, reduce)
            except BaseException:
                barrier.abort()
                raise

        with ThreadPoolExecutor(number) as pool:
            return list(pool.map(process, range(number)))

    return run
