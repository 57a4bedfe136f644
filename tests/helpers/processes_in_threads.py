"""Threads that stand for the processes of a run."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch


class ThreadStrategy:
    """What is used of a Lightning strategy, for one of several threads."""

    root_device = torch.device("cpu")

    def __init__(self, rank, board, barrier):
        self.global_rank, self.world_size = rank, len(board)
        self._board, self._barrier = board, barrier

    def _exchanged(self, value):
        self._board[self.global_rank] = value
        self._barrier.wait()
        values = list(self._board)
        self._barrier.wait()
        return values

    def reduce(self, tensor, group=None, reduce_op="mean"):
        stacked = torch.stack(self._exchanged(tensor))
        return {"sum": stacked.sum, "max": stacked.amax}[reduce_op](dim=0)

    def broadcast(self, value, src=0):
        return self._exchanged(value)[src]


class ThreadTrainer:
    """What a front end asks its trainer for while it learns."""

    def __init__(self, strategy):
        self.strategy = strategy
        self.world_size, self.global_rank = strategy.world_size, strategy.global_rank


def in_processes(world, work):
    """What `work(strategy)` returns on each of so many processes, in order of rank."""
    board, barrier = [None] * world, threading.Barrier(world, timeout=60)

    def run(rank):
        try:
            return work(ThreadStrategy(rank, board, barrier))
        except BaseException:
            barrier.abort()  # so that the others do not wait for it
            raise

    with ThreadPoolExecutor(world) as pool:
        futures = [pool.submit(run, rank) for rank in range(world)]
    errors = [future.exception() for future in futures if future.exception()]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error
    return [future.result() for future in futures]
