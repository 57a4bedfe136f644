import warnings
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl

from sparsefront.common import long_work
from sparsefront.common.long_work import LongWork
from sparsefront.data import MNIST5k
from sparsefront.frontends import DDL, Identity
from sparsefront.frontends.settings import DDLLearning
from sparsefront.training.learning_progress import LearningProgress
from sparsefront.training.stage_one import learn_front_end


def test_what_stage_one_leaves_out_by_design_is_not_warned_of():
    frontend = DDL((1, 28, 28), n_atoms=8, learning=DDLLearning(n_iterations=1, patches_per_iteration=8))
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        learn_front_end(frontend, MNIST5k(batch_size=16), trainer)
    assert frontend.learned
    assert not [str(warning.message) for warning in said if "validation_step" in str(warning.message)]
    assert not [str(warning.message) for warning in said if "configure_optimizers" in str(warning.message)]


def test_the_remaining_time_of_learning_in_parts_is_that_of_the_part_that_is_on(monkeypatch):
    class InParts(Identity):
        stages = (2, 0, 4)
        n_learning_steps = 6

    now, shown = [0.0], []
    monkeypatch.setattr(long_work.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(LongWork, "show", lambda self, share, text, left=None: shown.append((share, text, left)))
    progress, trainer = LearningProgress(), SimpleNamespace(is_global_zero=True, callback_metrics={})
    progress.on_train_start(trainer, InParts((1, 8, 8)))
    for seconds in (1, 1, 50, 50, 50, 50):  # the second part's steps take fifty times as long
        now[0] += seconds
        progress.on_train_batch_end(trainer)
    assert [left for _, _, left in shown] == [1, None, 150, 100, 50, 0]
    assert [text for _, text, _ in shown[::3]] == [
        "step 1 of 6, part 1 of 2, the time is this part's",
        "step 4 of 6, part 2 of 2, the time is this part's",
    ]
    assert [share for share, _, _ in shown] == [step / 6 for step in range(1, 7)]


def test_data_that_are_refused_before_the_first_step_are_what_is_said():
    class Refused(MNIST5k):
        def setup(self, stage: str) -> None:
            raise ValueError("`root` must hold the pictures.")

    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    frontend = DDL((1, 28, 28), learning=DDLLearning(n_iterations=2))
    with pytest.raises(ValueError, match=r"^`root` must hold the pictures\.$"):
        learn_front_end(frontend, Refused(), trainer)
