"""What a run shows on a terminal, and what it leaves in a log."""

import re
import sys

import pytest
import pytorch_lightning as pl

from sparsefront.attacks import PGD, NamedAttack, Square
from sparsefront.cli.command import main
from sparsefront.common import long_work
from sparsefront.common.long_work import LongWork, duration_in_words
from sparsefront.evaluation import RobustEvaluation
from tests.helpers.linear_rig import EPS, defended, loader, run

pytestmark = pytest.mark.filterwarnings("ignore")

FIT = [
    "fit", "--data", "sparsefront.data.MNIST5k", "--data.val_size", "21", "--model.classifier", "ConvNet",
    "--model.frontend", "TopT", "--model.frontend.n_atoms", "20", "--model.frontend.top_t", "3",
    "--model.frontend.decoder", "small", "--model.frontend.learning.n_iterations", "3",
    "--model.frontend.quantizer.eps", "0.05",
    "--trainer.max_epochs", "2", "--trainer.limit_train_batches", "3", "--trainer.accelerator", "cpu",
    "--trainer.enable_model_summary", "false", "--trainer.num_sanity_val_steps", "0",
    "--attacks+", "{name: pgd, attack: {class_path: PGD, init_args: {eps: 0.1, steps: 2}}}",
    "--attacks+", "{name: fgsm, attack: {class_path: FGSM, init_args: {eps: 0.1}}}",
]  # fmt: skip


def test_a_log_has_a_line_an_epoch_and_an_attack_and_nothing_that_draws_over_itself(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    main(FIT)
    printed = capfd.readouterr()
    assert "\r" not in printed.out + printed.err
    assert "\x1b" not in printed.out + printed.err
    lines = printed.err.splitlines()
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert [line.split(":")[0] for line in epochs] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all(name in line for line in epochs for name in ("train/loss", "train/acc", "val/clean_acc"))
    assert "left" in epochs[0]
    assert len([line for line in lines if re.match(r"val: pgd: \d+\.\d % of 21 still right, \d+ s", line)]) == 2
    assert len([line for line in lines if line.startswith("val: fgsm: ")]) == 2
    assert len([line for line in lines if line.startswith("learning the front end: 3 steps in ")]) == 1


def test_a_run_without_a_bar_says_nothing(tmp_path, capfd):
    run(tmp_path, "validate", [NamedAttack("pgd", PGD(eps=EPS, steps=3))])
    assert "pgd" not in capfd.readouterr().err


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(long_work, "on_a_terminal", lambda: True)


@pytest.mark.parametrize("attack", [PGD(eps=EPS, steps=60), Square(eps=EPS, n_queries=60, early_stop=False)])
def test_on_a_terminal_one_bar_moves_with_every_step_of_an_attack(tmp_path, terminal, monkeypatch, attack):
    monkeypatch.setattr("sparsefront.evaluation.attack_progress.OFTEN", 0.0)
    shown = []
    monkeypatch.setattr(LongWork, "show", lambda self, share, text, left=None: shown.append((share, text, left)))
    trainer = pl.Trainer(
        accelerator="cpu", logger=pl.loggers.CSVLogger(tmp_path), enable_model_summary=False,
        callbacks=[RobustEvaluation([NamedAttack("a", attack)])],
    )  # fmt: skip
    trainer.validate(defended(), loader(7), verbose=False)
    shares = [share for share, _, _ in shown]
    assert len({round(share, 3) for share in shares}) > 50  # three batches of one attack would be three
    assert shown[-1][0] == 1
    assert shown[-1][1] == "21 of 21 samples x attacks"
    assert shown[-1][2] == 0


def test_a_bar_never_goes_back_and_leaves_nothing_behind(terminal, capfd):
    work = LongWork("work")
    work.show(0.5, "a {curly} text", 10)
    work.show(0.2, "less")
    assert work._bar.n == 0.5
    work.close("a line for logs")
    assert "a line for logs" not in capfd.readouterr().err


def test_a_log_gets_a_line_now_and_then(capfd):
    work = LongWork("work", patience=0.0)
    work.show(0.25, "1 of 4", 90)
    work.close("done")
    assert capfd.readouterr().err == "work: 25 %, 1 of 4; 0 s so far, about 01:30 left\ndone\n"
    quiet = LongWork("work")
    quiet.show(0.5, "2 of 4")
    quiet.close()
    hidden = LongWork("work", shown=False, patience=0.0)
    hidden.show(0.5, "2 of 4")
    hidden.close("done")
    assert capfd.readouterr().err == ""


def test_times_are_words():
    assert [duration_in_words(seconds) for seconds in (0.2, 59, 61, 3723)] == ["0 s", "59 s", "01:01", "1:02:03"]
