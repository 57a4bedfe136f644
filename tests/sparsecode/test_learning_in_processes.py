"""Both learners under torch.distributed: two processes on shares of a stream learn what one learns from all of it.

This file is also their program, which becomes both once all is imported; its argument is the folder where they meet,
find the data and leave their dictionaries.
"""

import subprocess
import sys
from functools import partial

import torch

from sparsecode import MethodOfOptimalDirections, OnlineDictionary, lasso, omp


def learn(start, batches, reduce):
    online = OnlineDictionary(start, partial(lasso, lmbda=0.2, tolerance=1e-10), dead_after=150)
    passes = MethodOfOptimalDirections(start, partial(omp, n_nonzero_coefs=2))
    for batch in batches:
        online.step(batch, reduce)
    for _ in range(3):
        for batch in batches:
            passes.add(batch)
        passes.update(reduce)
    return online.dictionary, passes.dictionary


def test_two_processes_learn_what_one_does(tmp_path):
    start, signals = torch.randn(8, 20, dtype=torch.float64), torch.randn(400, 8, dtype=torch.float64)
    start[0], signals[:, 0] = 0, 0
    start[:, 5] = torch.eye(8)[0]  # needed by no signal: to be replaced
    torch.save((start, signals), tmp_path / "data.pt")
    both = subprocess.Popen([sys.executable, __file__, tmp_path])
    alone = learn(start, signals.split(100), lambda tensor: tensor)
    assert both.wait(120) == 0
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    for expected, one, other in zip(alone, first, second, strict=True):
        assert torch.equal(one, other)
        torch.testing.assert_close(one, expected)
        assert expected[0, 5] == 0


def main(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)

    def reduce(tensor):
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    start, signals = torch.load(f"{folder}/data.pt")
    shares = [batch.split([70, 30])[rank] for batch in signals.split(100)]
    torch.save(learn(start, shares, reduce), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.start_processes(main, sys.argv[1:], nprocs=2, start_method="fork")
