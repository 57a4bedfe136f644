"""A training that was stopped anywhere ends, resumed, in the very weights and numbers of one that was not."""

import csv
import itertools
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from sparsefront import DefendedClassifier, RobustEvaluation
from sparsefront.attacks import PGD, NamedAttack
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.stopping import Stopped, stoppable
from sparsefront.data import MNIST5k
from sparsefront.data.settings import ArrayReading
from sparsefront.frontends import Identity
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.training.exact_resume import ExactResume
from sparsefront.training.stop_points import StopPoints, own_signals

pytestmark = pytest.mark.filterwarnings("ignore")


class Noisy(Identity):
    """Draws from torch's global random numbers, in training and in validation."""

    randomised = True

    def forward(self, images):
        return (images + 0.1 * torch.randn_like(images)).clamp(0, 1)


class Forgetful(nn.Module):
    """Every layer whose state or draws a resumed training could miss."""

    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(4), nn.Flatten(), nn.Linear(49 * in_chans, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5),
            nn.Linear(16, num_classes),
        )  # fmt: skip

    def forward(self, images):
        return self.layers(images)


class Pull(pl.Callback):
    """Sends this process a signal the n-th time that it comes to a hook."""

    def __init__(self, hook, times, signum=signal.SIGTERM):
        self.left, self.signum = times, signum
        setattr(self, hook, self.pull)

    def pull(self, trainer, *rest):
        self.left -= not trainer.sanity_checking
        if self.left == 0:
            signal.raise_signal(self.signum)


def fit(folder, *pull, resume=None, **settings):
    """One epoch is 5 batches of 8 images, or 3 of those left by `settings`; a schedule by step and a momentum."""
    pl.seed_everything(3)
    given = {"max_epochs": 3, "limit_train_batches": 5, "num_sanity_val_steps": 0} | settings
    reading = ArrayReading(given.pop("num_workers", 0))
    data = MNIST5k(batch_size=8, val_size=16, test_size=16, augment="crop_flip", reading=reading)
    model = DefendedClassifier(
        Forgetful, Noisy, data.image_shape, data.num_classes,
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9),
        scheduler=lambda optimizer, steps: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
    )  # fmt: skip
    attack = RobustEvaluation([NamedAttack("pgd", PGD(eps=0.1, steps=2))])
    keep = RunCheckpoints(save_last=True)
    trainer = own_signals(pl.Trainer(
        accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, log_every_n_steps=1,
        logger=pl.loggers.CSVLogger(folder, name=""),
        callbacks=[attack, *pull, ExactResume(), StopPoints(), keep], **given,
    ))  # fmt: skip
    with stoppable():
        trainer.fit(model, data, ckpt_path=resume)
    return trainer, model


def stopped(folder, hook, times, **settings):
    with pytest.raises(Stopped) as stop:
        fit(folder, Pull(hook, times), **settings)
    assert stop.value.code == 143
    return find_checkpoint(folder, "x").path


def logged(trainer):
    """What each epoch logged of itself and of its validation."""
    with Path(trainer.log_dir, "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = {}
    for row in rows:
        values = {name: text for name, text in row.items() if text and name != "train/loss"}
        if len(values) > 2:
            found.setdefault(row["epoch"], {}).update(values)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    made = {}

    def of(**settings):
        key = str(settings)
        if key not in made:
            made[key] = fit(tmp_path_factory.mktemp("whole"), **settings)
        return made[key]

    return of


MOMENTS = [
    ("on_train_batch_start", 1), ("on_train_batch_end", 1), ("on_train_batch_start", 3), ("on_train_batch_end", 5),
    ("on_train_epoch_start", 2), ("on_train_batch_end", 7), ("on_validation_start", 1), ("on_validation_batch_end", 1),
    ("on_validation_epoch_end", 2), ("on_validation_end", 2), ("on_train_epoch_end", 1), ("on_train_batch_end", 14),
    ("on_train_batch_end", 15), ("on_validation_batch_start", 6),
]  # fmt: skip


def differences(first, second):
    one, two = first.state_dict(), second.state_dict()
    assert one.keys() == two.keys()
    return [name for name in one if not torch.equal(one[name], two[name])]


@pytest.mark.parametrize(("hook", "times"), MOMENTS)
def test_a_training_stopped_anywhere_ends_in_the_same_weights_and_numbers(whole, tmp_path, hook, times):
    trainer, model = whole()
    last = stopped(tmp_path, hook, times)
    again, resumed = fit(tmp_path, resume=last)
    assert differences(resumed, model) == []
    assert again.global_step == trainer.global_step == 15
    assert again.current_epoch == 3
    for epoch, values in logged(again).items():
        assert values == logged(trainer)[epoch]
    assert "2" in logged(again)


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate_grad_batches": 2},
        {"val_check_interval": 2},
        {"check_val_every_n_epoch": 2},
        {"limit_val_batches": 0},
        {"num_workers": 1},
        {"num_sanity_val_steps": 1},
    ],
    ids=lambda settings: next(iter(settings)),
)
@pytest.mark.parametrize(
    ("hook", "times"), [("on_train_batch_end", 2), ("on_train_batch_start", 9), ("on_train_epoch_end", 1)]
)
def test_so_does_one_of_other_rhythms(whole, tmp_path, hook, times, settings):
    _, model = whole(**settings)
    _, resumed = fit(tmp_path, resume=stopped(tmp_path, hook, times, **settings), **settings)
    assert differences(resumed, model) == []


def test_a_training_stopped_again_and_again_ends_in_the_same_weights(whole, tmp_path):
    _, model = whole()
    last, stops, hooks = None, 0, itertools.cycle(["on_train_batch_start", "on_validation_batch_start"])
    while True:
        try:
            _, resumed = fit(tmp_path, Pull(next(hooks), 2), resume=last)
        except Stopped:
            stops, last = stops + 1, find_checkpoint(tmp_path, "x").path
        else:
            break
    assert stops > 5
    assert differences(resumed, model) == []
