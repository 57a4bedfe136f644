"""What all front ends have from their base: learning on several devices, and its end."""

import pytest
import torch

from sparsefront.common.processes import Processes
from sparsefront.frontends import DDL, Compose, FrontEnd, Identity, RegionSparse, TopT
from sparsefront.frontends.parts.learner import Learner
from sparsefront.frontends.settings import (
    BackgroundFilter,
    DDLLearning,
    RegionSparseCodes,
    RegionSparseLearning,
    TopTLearning,
)
from tests.helpers.front_end_contract import fitted
from tests.helpers.processes_in_threads import ThreadTrainer, in_processes

SHAPE = (1, 12, 12)
SMALL = {"n_atoms": 8, "patch_size": 4}
LEARNERS = {
    "DDL": lambda: DDL(SHAPE, learning=DDLLearning(n_iterations=2), **SMALL),
    "DDL, batch": lambda: DDL(SHAPE, learning=DDLLearning("batch", n_iterations=2, n_passes=1), **SMALL),
    "DDL, pca": lambda: DDL(SHAPE, factors="pca", learning=DDLLearning(n_iterations=2), **SMALL),
    "RegionSparse": lambda: RegionSparse(
        SHAPE,
        codes=RegionSparseCodes(3),
        background=BackgroundFilter(3),
        learning=RegionSparseLearning(n_iterations=2),
        **SMALL,
    ),
    "TopT": lambda: TopT(SHAPE, top_t=3, decoder="small", learning=TopTLearning(n_iterations=2), **SMALL),
}
learners = pytest.mark.parametrize("name", LEARNERS)


@pytest.mark.parametrize("name", ["DDL", "RegionSparse", "TopT"])
def test_all_processes_start_from_the_patches_of_the_first_one(name, monkeypatch):
    """Two processes with other images each, which start from the first one's and go on from the sums of both."""
    starts, from_first = [], Processes.from_first
    monkeypatch.setattr(Processes, "from_first", lambda self, start: starts.append(start) or from_first(self, start))

    @torch.no_grad()
    def learned(strategy):
        frontend = LEARNERS[name]()
        frontend._trainer = ThreadTrainer(strategy)
        frontend.learn_from(torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(strategy.global_rank)))
        return frontend.dictionary

    first, second = in_processes(2, learned)
    assert torch.equal(first, second)
    assert not torch.equal(*starts)


@learners
def test_a_first_batch_of_too_few_patches_is_refused(name):
    frontend = LEARNERS[name]()
    with pytest.raises(ValueError, match=r"^The first batch must hold at least `n_atoms` = 8 patches that are not "):
        fitted(frontend, torch.zeros(2, *SHAPE))


class HalfAsBright(FrontEnd):
    def forward(self, images):
        return images / 2


class Codes(HalfAsBright):
    returns_images = False


def test_every_front_end_has_its_exact_derivative_and_one_of_images_the_identity():
    images = torch.rand(2, *SHAPE, requires_grad=True)
    assert set(HalfAsBright(SHAPE).backward_modes()) == {"exact", "identity"}
    assert set(Codes(SHAPE).backward_modes()) == {"exact"}
    for backward, slope in (("exact", 0.5), ("identity", 1.0)):
        out = HalfAsBright(SHAPE).stand_in(backward)(images)
        assert torch.equal(out, images / 2)
        (gradient,) = torch.autograd.grad(out.sum(), images)
        assert torch.equal(gradient, torch.full_like(images, slope))


class Finishes(Learner):
    finished = 0

    def step(self, batch):
        return {}

    def finish(self):
        self.finished += 1


def test_a_learner_finishes_once_when_learning_ends():
    frontend, learner = Identity(SHAPE), Finishes()
    frontend._learner = learner
    frontend.end_learning()
    frontend.end_learning()
    assert learner.finished == 1


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
