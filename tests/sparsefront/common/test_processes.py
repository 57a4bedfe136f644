"""What processes tell each other: of a Trainer's strategy, of torch.distributed, and alone."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from pytorch_lightning.strategies import SingleDeviceStrategy

from sparsefront.common.processes import Processes
from tests.helpers.processes_in_threads import in_processes

ROWS = [torch.arange(6.0).view(3, 2), 10 + torch.arange(4.0).view(2, 2)]


def everything(processes):
    """The result of each method, of processes with rows of their own."""
    rows = ROWS[processes.rank]
    before = rows.clone()
    total = processes.sum(rows[:2])
    assert torch.equal(rows, before)
    return {
        "sum": total,
        "largest": processes.largest(torch.tensor([5 - processes.rank, processes.rank])),
        "on first": processes.on_first(lambda: ("work of", processes.rank)),
        "first": processes.from_first(rows),
        "gathered": processes.gathered(("of", processes.rank)),
        "rows": processes.rows(rows),
        "in turn": processes.rows_in_turn(rows),
        "share": processes.share(5),
        "dealt": processes.dealt(torch.rand, 3, (4,), (1, 2)),
    }


def assert_all_of_two(both):
    for results in both:
        assert torch.equal(results["sum"], ROWS[0][:2] + ROWS[1])
        assert results["largest"].tolist() == [5, 1]
        assert results["on first"] == ("work of", 0)
        assert torch.equal(results["first"], ROWS[0])
        assert results["gathered"] == [("of", 0), ("of", 1)]
        assert torch.equal(results["rows"], torch.cat(ROWS))
        expected = torch.stack([ROWS[0][0], ROWS[1][0], ROWS[0][1], ROWS[1][1], ROWS[0][2]])
        assert torch.equal(results["in turn"], expected)
        assert results["share"] == 3
    dealt = torch.stack([both[0]["dealt"], both[1]["dealt"]], dim=1).flatten(0, 1)
    assert torch.equal(dealt, Processes().dealt(torch.rand, 6, (4,), (1, 2)))


@pytest.mark.parametrize(
    "strategy", [None, SingleDeviceStrategy("cpu"), SimpleNamespace()], ids=["none", "a single device", "of a stranger"]
)
def test_a_single_process_has_everything_itself(strategy):
    processes = Processes(strategy)
    assert (processes.world, processes.rank) == (1, 0)
    results = everything(processes)
    assert results["gathered"] == [("of", 0)]
    assert results["largest"].tolist() == [5, 0]
    assert results["on first"] == ("work of", 0)
    assert all(torch.equal(results[name], ROWS[0]) for name in ("first", "rows", "in turn"))
    assert torch.equal(results["sum"], ROWS[0][:2])
    assert results["share"] == 5


def test_processes_of_a_strategy_have_everything_of_all():
    assert_all_of_two(in_processes(2, lambda strategy: everything(Processes(strategy))))


def test_what_the_first_process_refuses_is_raised_on_all():
    refusals = []

    def work(strategy):
        with pytest.raises(ValueError, match="no room") as refused:
            Processes(strategy).on_first(lambda: int("no room") if strategy.global_rank == 0 else pytest.fail("twice"))
        refusals.append(refused.value)

    in_processes(2, work)
    assert len(refusals) == 2


def test_processes_of_torch_distributed_have_everything_of_all(tmp_path):
    torch.multiprocessing.start_processes(_on_one_of_two, (tmp_path,), nprocs=2, start_method="fork")
    assert_all_of_two([torch.load(tmp_path / f"{rank}.pt") for rank in range(2)])


def _on_one_of_two(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    torch.save(everything(Processes()), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def test_what_the_first_process_sends_travels_on_the_cpu_and_arrives_on_this_ones_device():
    mine, sent, arrived = MagicMock(device="cuda:1"), torch.rand(2), MagicMock()
    mine.cpu.return_value = sent
    broadcasts = []
    strategy = SimpleNamespace(
        world_size=2, global_rank=1, broadcast=lambda tensor, src: broadcasts.append((tensor, src)) or arrived
    )
    assert Processes(strategy).from_first(mine) is arrived.to.return_value
    assert broadcasts == [(sent, 0)]
    arrived.to.assert_called_once_with("cuda:1")


def test_sums_are_taken_on_the_strategys_device_and_return_to_the_tensors_own():
    moved, mine = MagicMock(), MagicMock(device="cpu")
    mine.to.return_value = moved
    strategy = SimpleNamespace(
        world_size=2, global_rank=0, root_device="cuda:0", reduce=lambda tensor, reduce_op: (tensor, reduce_op)[0]
    )
    assert Processes(strategy).sum(mine) is moved.to.return_value
    mine.to.assert_called_once_with(torch.device("cuda:0"), copy=True)
    moved.to.assert_called_once_with("cpu")
