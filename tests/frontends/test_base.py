"""What all front ends have from their base: learning on several devices, and its end."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch

from sparsefront.frontends import DDL, Compose, Identity, RegionSparse, TopT
from tests.helpers.front_end_contract import fitted

SHAPE = (1, 12, 12)
SMALL = {"n_atoms": 8, "patch_size": 4, "n_iterations": 2}
LEARNERS = {
    "DDL": lambda: DDL(SHAPE, **SMALL),
    "DDL, batch": lambda: DDL(SHAPE, learner="batch", n_passes=1, **SMALL),
    "DDL, pca": lambda: DDL(SHAPE, factors="pca", **SMALL),
    "RegionSparse": lambda: RegionSparse(SHAPE, diameter=3, n_nonzero_coefs=3, **SMALL),
    "TopT": lambda: TopT(SHAPE, top_t=3, decoder="small", **SMALL),
}
learners = pytest.mark.parametrize("name", LEARNERS)


def test_what_the_first_process_sends_travels_on_the_cpu_and_arrives_on_this_ones_device():
    own, sent, arrived = MagicMock(device="cuda:1"), torch.rand(2), MagicMock()
    own.cpu.return_value = sent
    broadcasts = []
    strategy = SimpleNamespace(broadcast=lambda tensor: broadcasts.append(tensor) or arrived)
    frontend = Identity(SHAPE)
    frontend._trainer = SimpleNamespace(strategy=strategy)
    assert frontend.from_first_process(own) is arrived.to.return_value
    assert broadcasts == [sent]
    arrived.to.assert_called_once_with("cuda:1")


@learners
def test_all_processes_start_from_what_the_first_one_sends(name, monkeypatch):
    sent = []
    frontend = LEARNERS[name]()
    monkeypatch.setattr(frontend, "from_first_process", lambda start: sent.append(start) or start)
    fitted(frontend, torch.rand(8, *SHAPE))
    assert [len(start) for start in sent] == [8]


@learners
def test_what_learning_needed_is_gone_when_it_has_ended(name):
    frontend = LEARNERS[name]()
    alive = []
    learn_from = frontend.learn_from
    frontend.learn_from = lambda images: (learn_from(images), alive.append(frontend._learner))[0]
    assert fitted(frontend, torch.rand(8, *SHAPE))._learner is None
    assert alive[0] is not None


def test_what_a_part_needed_is_gone_when_its_turn_is_over():
    frontend = fitted(
        Compose(SHAPE, [lambda shape: LEARNERS["DDL"](), lambda shape: LEARNERS["TopT"]()]), torch.rand(8, *SHAPE)
    )
    assert [part._learner for part in frontend._parts] == [None, None]
