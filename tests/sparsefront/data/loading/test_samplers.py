import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_lightning.overrides.distributed import UnrepeatedDistributedSampler

from sparsefront.data.loading.samplers import TrainingSampler, evaluation_sampler
from sparsefront.data.splits.sources import ArrayImages
from sparsefront.data.splits.split import Split


def split_of(count):
    source = ArrayImages(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64), (2, 2))
    return Split(source, torch.arange(count))


@given(st.integers(1, 6), st.integers(0, 40))
@settings(deadline=None, max_examples=40)
def test_evaluation_meets_each_sample_once_on_any_number_of_processes(world, more):
    split = split_of(world + more)
    samplers = [evaluation_sampler(split, rank, world) for rank in range(world)]
    met = [item for sampler in samplers for item in (sampler if sampler is not None else range(len(split)))]
    assert sorted(met) == list(range(len(split)))


def test_twenty_one_samples_on_two_processes_are_twenty_one():
    samplers = [evaluation_sampler(split_of(21), rank, 2) for rank in range(2)]
    assert [len(sampler) for sampler in samplers] == [11, 10]
    assert all(isinstance(sampler, UnrepeatedDistributedSampler) for sampler in samplers)


def test_fewer_samples_than_processes_are_refused():
    with pytest.raises(ValueError, match="`devices` must be at most the 3 images"):
        evaluation_sampler(split_of(3), 0, 4)


def test_training_order_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        sampler = TrainingSampler(split_of(30), seed, 0, 1)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 1) == order(0, 1)
    assert len({tuple(order(seed, epoch)) for seed in range(2) for epoch in range(3)}) > 3
    assert sorted(order(0, 1)) == list(range(30))
    assert order(0, 1) != order(0, 0)


def test_training_processes_share_the_epoch():
    samplers = [TrainingSampler(split_of(20), 0, rank, 2) for rank in range(2)]
    assert sorted([*samplers[0], *samplers[1]]) == list(range(20))
