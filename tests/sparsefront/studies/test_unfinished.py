"""Studies and sweeps decide by content what is finished, and end with who began them."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sparsefront.cli import study, sweep
from sparsefront.cli.command import main
from sparsefront.evaluation import results_writer
from sparsefront.studies import turn
from sparsefront.studies.separate_run import separate_run
from tests.helpers.small_command import BASE, CONFIGS, PGD2

pytestmark = pytest.mark.filterwarnings("ignore")
BITS = [
    "--setting", "model.frontend.bits", "--values", "2", "--run_dir", "sweep", *BASE, *PGD2,
    "--model.frontend", "BitDepth", "--evaluation.diagnostics", "4",
]  # fmt: skip


class Killed(BaseException):
    pass


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Commands are run in this process; what they were called with."""
    monkeypatch.chdir(tmp_path)
    done = []

    def run(verb, folder, arguments, shown=False):
        done.append([verb, *arguments])
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(sys, "argv", ["sparsefront", verb, *arguments, "--run_dir", str(folder)])
        try:
            main()
        except Killed:
            return False
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    return done


def kill_in(monkeypatch, owner, name, after=0):
    left, real = [after], getattr(owner, name)

    def killed(*args, **kwargs):
        left[0] -= 1
        if left[0] == -1:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, killed)


def a_study():
    trainer = {
        "max_epochs": 2, "limit_train_batches": 40, "limit_val_batches": 0, "limit_test_batches": 3,
        "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False,
    }  # fmt: skip
    files = [str(CONFIGS / f"{name}.yaml") for name in ("base", "data/mnist5k", "classifiers/convnet")]
    attack = {"name": "pgd", "attack": {"class_path": "PGD", "init_args": {"eps": 0.1, "steps": 2}}}
    settings = {"trainer": trainer, "data": {"batch_size": 8}, "attacks": [attack]}
    text = {"run_dir": "study", "configs": files, "settings": settings, "systems": {"natural": {}}}
    Path("study.yaml").write_text(yaml.safe_dump(text))
    return ["study.yaml"]


def test_a_value_whose_test_was_killed_in_its_diagnostics_is_tested_again(ran, monkeypatch):
    with monkeypatch.context() as patch:
        kill_in(patch, results_writer, "probe")
        sweep.main(BITS)
    record = next(Path("sweep").rglob("test_attacks.json"))
    assert json.loads(record.read_text())["whole"] is False  # so it is there, and not whole
    assert sweep.main(BITS) == 0
    assert len(ran) == 2


def test_a_studys_test_that_was_interrupted_goes_on_from_its_rows(ran, monkeypatch):
    from sparsefront.attacks import PGD

    with monkeypatch.context() as patch:
        kill_in(patch, PGD, "perturb", after=1)
        assert study.main(a_study()) == 1
    assert any(Path("study").rglob("test_partial/rows.0.csv"))
    assert study.main(a_study()) == 0
    assert "--evaluation.resume_from" in ran[-1]


def test_a_fit_that_ended_well_before_its_last_epoch_is_not_taken_for_whole(ran, monkeypatch):
    real = turn.separate_run

    def short(verb, folder, arguments, shown=False):
        more = ["--trainer.max_epochs", "1"] if verb == "fit" else []
        return real(verb, folder, [*arguments, *more])

    monkeypatch.setattr(turn, "separate_run", short)
    study.main(a_study())
    assert not json.loads(Path("study/natural/study.json").read_text())["fitted"]


def test_a_run_ends_with_the_process_that_began_it(tmp_path):
    code = "import sys, pathlib, sparsefront.studies.separate_run as s\n"
    code += "s.separate_run('fit', pathlib.Path('run'), sys.argv[1:])"
    words = [*BASE, "--trainer.max_epochs", "1000"]
    begun = subprocess.Popen([sys.executable, "-c", code, *words], cwd=tmp_path)
    child = None
    try:
        while child is None:
            assert begun.poll() is None
            time.sleep(0.05)
            child = next((pid for pid in _processes() if _parent(pid) == begun.pid), None)
        begun.send_signal(signal.SIGKILL)
        begun.wait()
        waited = time.monotonic()
        while _parent(child) is not None and time.monotonic() - waited < 5:
            time.sleep(0.1)
        assert _parent(child) is None
    finally:
        begun.kill()
        if child is not None and _parent(child) is not None:
            os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_a_second_run_of_a_studys_folder_is_refused_while_the_first_goes_on(tmp_path, monkeypatch):
    from tests.helpers.forked import Forked

    monkeypatch.chdir(tmp_path)
    words = [*BASE, "--trainer.max_epochs", "1000"]
    first = Forked(lambda: separate_run("fit", Path("run"), words), "first.log")
    try:
        while not any(Path("run").glob("version_*/checkpoints/*.ckpt")):
            assert first.poll() is None
            time.sleep(0.1)
        assert not separate_run("fit", Path("run"), [*BASE, "--trainer.max_epochs", "1"])
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()


def _processes():
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _parent(pid):
    """Of a process that runs, None of one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[1])


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process_lets_the_run_that_it_began_keep_what_it_has(tmp_path, monkeypatch, signum):
    """The run is told to stop, once, and waited for."""
    from sparsefront.common import stopping
    from sparsefront.studies import separate_run as module

    monkeypatch.chdir(tmp_path)
    told = "import signal, sys, time\n"
    told += "def end(*_): print('told'); sys.exit(3)\n"
    told += "[signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGINT)]\n"
    told += "print('begun', flush=True)\ntime.sleep(60)"
    real = subprocess.Popen
    monkeypatch.setattr(module.subprocess, "Popen", lambda command, **rest: real([sys.executable, "-c", told], **rest))

    def stop(self, *args, **kwargs):
        while "begun" not in Path("run/log.txt").read_text():
            time.sleep(0.02)
        monkeypatch.setattr(real, "wait", wait)
        signal.raise_signal(signum)

    wait = real.wait
    monkeypatch.setattr(real, "wait", stop)
    with pytest.raises(SystemExit) as end, stopping.command("sparsefront-sweep", ["--values", "1"]):
        separate_run("test", Path("run"), [])
    assert end.value.code == 128 + signum
    assert Path("run/log.txt").read_text().endswith("begun\ntold\n")
