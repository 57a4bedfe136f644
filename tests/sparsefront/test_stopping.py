"""A signal ends every command with its own exit code, one sentence, and what goes on from it."""

import csv
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest
import torch
from small_command import BASE, PGD2

from attacks import PGD
from sparsefront.cli import SparsefrontCLI, main

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])


@pytest.fixture
def only(monkeypatch):
    """Leaves out the parsers of the other verbs, which take most of the time."""
    verbs = SparsefrontCLI.subcommands()

    def choose(verb):
        monkeypatch.setattr(SparsefrontCLI, "subcommands", staticmethod(lambda: {verb: verbs[verb]}))

    return choose


def kick_at(monkeypatch, owner, name, times, signum):
    """Sends this process a signal within the n-th call of a method."""
    left, method = [times], getattr(owner, name)

    def kicked(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signum)
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, kicked)


def stopped(args, capsys, code):
    """The arguments of the command that the sentence says goes on."""
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == code
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sparsefront: stopped by ")]
    assert len(said) == 1
    program, *words = shlex.split(said[0].split("; go on with: ")[1])
    assert program == "sparsefront"
    return words


def rows(folder, stage):
    with next(Path(folder).rglob(f"{stage}_samples.csv")).open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138), (signal.SIGHUP, 129)]
)
def test_a_stopped_fit_says_so_and_the_command_that_it_names_ends_in_the_same_weights(
    signum, code, only, capsys, monkeypatch
):
    from sparsefront.defended import DefendedClassifier

    only("fit")
    whole = main(["fit", *BASE, *PGD2, "--run_dir", "whole"])
    with monkeypatch.context() as patch:
        kick_at(patch, DefendedClassifier, "training_step", 5, signum)
        words = stopped(["fit", *BASE, *PGD2, "--run_dir", "cut"], capsys, code)
    assert words == ["fit", *BASE, *PGD2, "--run_dir", "cut", "--ckpt_path", "last"]
    again = main(words)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    assert rows(again.trainer.log_dir, "val") == rows(whole.trainer.log_dir, "val")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of a network that is right often enough to be attacked in every batch."""
    folder = tmp_path_factory.mktemp("fitted")
    more = ["--trainer.limit_train_batches", "40", "--trainer.limit_val_batches", "0", "--run_dir", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsefront"])
        cli = main(["fit", *BASE, *more])
    return str(Path(cli.trainer.checkpoint_callback.last_model_path))


@pytest.mark.parametrize("verb", ["test", "validate"])
def test_an_evaluation_is_stopped_within_a_batch_of_attacks_and_goes_on_from_its_rows(
    verb, only, weights, capsys, monkeypatch
):
    only(verb)
    stage = {"test": "test", "validate": "val"}[verb]
    args = [verb, *BASE, *PGD2, "--ckpt_path", weights, "--run_dir"]
    whole = main([*args, "whole"])
    met = []
    perturb = PGD.perturb
    monkeypatch.setattr(PGD, "perturb", lambda *args: (met.extend(args[4].tolist()), perturb(*args))[1])
    with monkeypatch.context() as patch:
        kick_at(patch, PGD, "perturb", 2, signal.SIGTERM)
        words = stopped([*args, "cut"], capsys, 143)
    assert words == [*args, "cut", "--evaluation.resume_from", "cut"]
    assert 0 < len(met) < sum(row["clean_pred"] == row["label"] for row in rows(whole.trainer.log_dir, stage))
    twice = len(met)
    again = main(words)
    assert rows(again.trainer.log_dir, stage) == rows(whole.trainer.log_dir, stage)
    assert len(met) - len(set(met)) <= 8 < twice + 8  # no more than the batch that was given up is attacked twice


def test_a_stop_while_the_front_end_learns_says_that_it_begins_anew(only, capsys, monkeypatch):
    from frontends import TopT

    only("fit")
    kick_at(monkeypatch, TopT, "learn_from", 2, signal.SIGTERM)
    args = ["fit", *BASE, "--model.frontend", "TopT", "--model.frontend.n_atoms", "20", "--model.frontend.top_t", "3",
            "--model.frontend.decoder", "small", "--model.frontend.n_iterations", "30"]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 143
    assert re.search(
        r"stopped by SIGTERM: the front end .* begins anew; go on with: sparsefront fit", capsys.readouterr().err
    )
    assert not list(Path("runs").rglob("*.ckpt"))
