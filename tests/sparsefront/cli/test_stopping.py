"""A signal ends every command with its own exit code, one sentence, and what goes on from it."""

import contextlib
import csv
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sparsefront.attacks import PGD
from sparsefront.cli.command import main
from sparsefront.common import stopping
from sparsefront.frontends import DSC, TopT
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.run_checkpoints import RunCheckpoints
from tests.helpers.small_command import BASE, PGD2

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]


def kick_at(monkeypatch, owner, name, times, signum):
    """Sends this process a signal within the n-th call of a method."""
    left, method = [times], getattr(owner, name)

    def kicked(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            signal.raise_signal(signum)
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, kicked)
    return left


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A fit that nothing stops."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsefront"])
        return main(["fit", *BASE, *PGD2, "--run_dir", str(tmp_path_factory.mktemp("whole"))])


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138), (signal.SIGHUP, 129)]
)
def test_a_stopped_fit_says_so_and_the_command_that_it_names_ends_in_the_same_weights(
    signum, code, whole, capsys, monkeypatch, request
):
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, which is kept to
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    with monkeypatch.context() as patch:
        kick_at(patch, DefendedClassifier, "training_step", 5, signum)
        words = stopped(["fit", *BASE, *PGD2, "--run_dir", "cut"], capsys, code)
    assert words == ["fit", *BASE, *PGD2, "--run_dir", "cut", "--ckpt_path", "last"]
    again = main(words)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name
    assert rows(again.trainer.log_dir, "val") == rows(whole.trainer.log_dir, "val")


def test_a_stop_is_kept_in_the_runs_version_whatever_else_the_user_has_checkpoints_for(capsys, monkeypatch):
    own = "{class_path: ModelCheckpoint, init_args: {dirpath: mine, filename: own}}"
    with monkeypatch.context() as patch:
        kick_at(patch, DefendedClassifier, "training_step", 2, signal.SIGTERM)
        stopped(["fit", *BASE, "--trainer.callbacks", f"[{own}]", "--run_dir", "cut"], capsys, 143)
    assert Path("cut/version_0/checkpoints/last.ckpt").is_file()
    assert not Path("mine/last.ckpt").exists()


@pytest.mark.parametrize("name", ["../../x", "/x", "a/b", "a/{epoch}", "../{epoch}"])
def test_checkpoints_lie_in_the_folder_of_the_runs_version(name):
    with pytest.raises(ValueError, match=r"`checkpoint\.filename` must be a file's name"):
        RunCheckpoints(filename=name, auto_insert_metric_name=False)


def test_a_metric_in_a_checkpoints_name_may_have_a_slash_where_its_number_alone_is_written():
    RunCheckpoints(filename="{epoch}-{val/acc:.2f}", auto_insert_metric_name=False)
    with pytest.raises(ValueError, match="auto_insert_metric_name: false"):
        RunCheckpoints(filename="{epoch}-{val/acc:.2f}")


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
    verb, weights, capsys, monkeypatch
):
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


def test_a_stop_while_the_front_end_learns_says_that_it_begins_anew(capsys, monkeypatch):
    kick_at(monkeypatch, TopT, "learn_from", 2, signal.SIGTERM)
    args = ["fit", *BASE, "--model.frontend", "TopT", "--model.frontend.n_atoms", "20", "--model.frontend.top_t", "3",
            "--model.frontend.decoder", "small", "--model.frontend.learning.n_iterations", "30"]  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 143
    assert re.search(
        r"stopped by SIGTERM: the front end .* begins anew; go on with: sparsefront fit", capsys.readouterr().err
    )
    assert not list(Path("runs").rglob("*.ckpt"))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job of SLURM, as far as a process sees it, and what `scontrol` was asked for."""
    asked = tmp_path / "asked.txt"
    program = tmp_path / "bin/scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for name, value in {"JOB_ID": "42", "NTASKS": "1", "JOB_NAME": "train", "PROCID": "0", "LOCALID": "0",
                        "NODEID": "0", "NODELIST": "here"}.items():  # fmt: skip
        monkeypatch.setenv(f"SLURM_{name}", value)
    return asked


def test_before_its_time_limit_a_slurm_job_is_kept_and_requeued_and_goes_on_by_itself(whole, capsys, monkeypatch, job):
    args = ["fit", *BASE, *PGD2, "--run_dir"]
    with monkeypatch.context() as patch:
        kick_at(patch, DefendedClassifier, "training_step", 5, signal.SIGUSR1)
        assert stopped([*args, "cut"], capsys, 138)[-2:] == ["--ckpt_path", "last"]
    assert job.read_text() == "requeue 42\n"
    assert not list(Path("cut").rglob("hpc_ckpt*"))
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    again = main([*args, "cut"])  # the script of a job says the same each time
    assert again.trainer.global_step == whole.trainer.global_step
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_a_task_of_an_array_is_requeued_by_its_own_number_also_within_a_validation(capsys, monkeypatch, job):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "40")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "7")
    kick_at(monkeypatch, DefendedClassifier, "validation_step", 2, signal.SIGUSR1)
    stopped(["fit", *BASE, *PGD2], capsys, 138)
    assert job.read_text() == "requeue 40_7\n"


def test_a_job_that_cannot_be_requeued_says_so(capsys, monkeypatch, job, tmp_path):
    (tmp_path / "bin/scontrol").write_text("#!/bin/sh\nexit 3\n")
    kick_at(monkeypatch, DefendedClassifier, "training_step", 5, signal.SIGUSR1)
    with pytest.raises(SystemExit):
        main(["fit", *BASE])
    assert "`scontrol requeue 42` failed, it ended with 3; submit the job again" in capsys.readouterr().err


def test_what_an_earlier_version_saved_for_slurm_is_found_if_it_is_the_newest(capsys, monkeypatch):
    args = ["fit", *BASE, "--run_dir", "run"]
    with monkeypatch.context() as patch:
        kick_at(patch, DefendedClassifier, "training_step", 5, signal.SIGTERM)
        stopped(args, capsys, 143)
    last = next(Path("run").rglob("last.ckpt"))
    shutil.copy(last, "run/hpc_ckpt_2.ckpt")
    other = torch.load(last, weights_only=True)
    shutil.copy(next(Path("run").rglob("epoch0.ckpt")), last)
    assert torch.load(last, weights_only=True)["global_step"] < other["global_step"] == 5
    again = main([*args, "--ckpt_path", "last"])
    assert str(again.trainer.ckpt_path).endswith("hpc_ckpt_2.ckpt")


READ_OUT = [
    "--model.frontend", "DSC", "--model.frontend.output", "code", "--model.frontend.learning.n_iterations", "2",
    "--model.frontend.layers", "[{n_atoms: 9, size: 7, stride: 7, lmbda: 0.5}, {n_atoms: 12, lmbda: 0.1}]",
    "--model.frontend.solver.tolerance", "0.1", "--model.classifier", "LinearSVM",
]  # fmt: skip


def test_an_epoch_that_solves_a_read_out_begins_anew_with_the_front_end_that_was_learned(capsys, monkeypatch):
    args = ["fit", *BASE, *READ_OUT, "--data.batch_size", "40", "--run_dir"]
    whole = main([*args, "whole"])
    with monkeypatch.context() as patch:
        kick_at(patch, DefendedClassifier, "training_step", 2, signal.SIGTERM)
        words = stopped([*args, "cut"], capsys, 143)
    with pytest.raises(SystemExit):  # nothing was solved yet
        main(["test", *BASE, *READ_OUT, "--run_dir", "cut", "--ckpt_path", "last"])
    assert "of a fit that was stopped before its first batch" in capsys.readouterr().err
    learned = kick_at(monkeypatch, DSC, "learn_from_batch", -1, signal.SIGTERM)
    again = main(words)
    assert learned == [-1]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


def test_a_signal_that_is_ignored_stays_so():
    """As `nohup` and shells that start a run in the background have it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.command("sparsefront", []):
            signal.raise_signal(signal.SIGHUP)
            stopping.poll()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_step_that_does_not_come_to_its_end_is_given_up_where_nothing_is_written():
    written = []

    def work(early):
        with stopping.command("sparsefront", []):
            stopping.take_care(0.2)
            if early:
                signal.raise_signal(signal.SIGTERM)
            with stopping.undisturbed():
                if not early:
                    signal.raise_signal(signal.SIGTERM)
                time.sleep(0.5)
                written.append(early)
            time.sleep(30)

    for early in (True, False):
        with pytest.raises(SystemExit) as end:
            work(early)
        assert end.value.code == 143
    assert written == [True, False]


def test_a_stop_that_a_library_swallows_is_raised_again(monkeypatch):
    monkeypatch.setattr(stopping, "AGAIN", 0.2)

    def work():
        with stopping.command("sparsefront", []):
            with contextlib.suppress(BaseException):
                signal.raise_signal(signal.SIGTERM)
            time.sleep(30)

    with pytest.raises(SystemExit) as end:
        work()
    assert end.value.code == 143


def test_one_interrupt_that_another_process_was_quicker_to_tell_of_is_one(capsys):
    def work():
        with stopping.command("sparsefront", []):
            stopping.take_care()
            stopping.ask(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            stopping.poll()

    with pytest.raises(SystemExit) as end:
        work()
    assert end.value.code == 130
    assert "stopped by SIGINT" in capsys.readouterr().err


def test_a_second_interrupt_ends_at_once(tmp_path):
    code = "import signal, time; from sparsefront.common import stopping\n"
    code += "with stopping.command('sparsefront', ['fit']):\n    stopping.take_care(); print('ready', flush=True)\n"
    code += "    time.sleep(60) or [time.sleep(60)]\n"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.readline()
        run.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        assert run.wait(10) == 130
        assert b"at once" in run.stderr.read()


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    "program",
    [
        ["-m", "sparsefront.cli.command", "fit"],
        ["-m", "sparsefront.cli.sweep"],
        ["-P", "-m", "sparsefront.cli.study", "a b"],
    ],
)
def test_a_command_that_is_stopped_while_it_starts_says_so(tmp_path, program, signum, code):
    """Stopped while it imports torch, which never ends here."""
    slow = tmp_path / "slow/torch"
    slow.mkdir(parents=True)
    (slow / "__init__.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    for name in ("pytorch_lightning", "tqdm", "numpy", "rich"):  # whichever a command imports first
        (tmp_path / f"slow/{name}.py").write_text("import torch\n")
    path = os.pathsep.join([str(tmp_path / "slow"), *(str(Path(one).resolve()) for one in sys.path if one)])
    with subprocess.Popen(
        [sys.executable, *program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    ) as run:
        assert run.stdout.readline() == b"importing\n"
        run.send_signal(signum)
        assert run.wait(10) == code
        said = run.stderr.read().decode()
    name = {"command": "sparsefront", "sweep": "sparsefront-sweep"}.get(program[1].split(".")[-1], "sparsefront-study")
    words = shlex.join([name, *program[2 + program.index("-m") :]])
    assert said == f"\n{name}: stopped by {signum.name}: it had not begun; go on with: {words}\n"


def test_a_library_that_is_imported_leaves_signals_alone():
    code = "import signal, sparsefront; assert signal.getsignal(signal.SIGINT) is signal.default_int_handler"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
