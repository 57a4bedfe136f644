"""A study in an allocation of SLURM begins processes that are no tasks of it."""

import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from sparsefront.cli import study
from sparsefront.cli.dry_run.check import check
from sparsefront.common import stopping
from sparsefront.studies import separate_run as module
from sparsefront.studies import turn
from sparsefront.training import slurm
from tests.helpers.small_command import BASE
from tests.helpers.whole_runs import leave_fit, leave_test

ALLOCATION = {"SLURM_NTASKS": "2", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "study", "SLURM_PROCID": "0"}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def in_an_allocation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in ALLOCATION.items():
        monkeypatch.setenv(name, value)


def test_settings_are_checked_as_those_of_no_task(monkeypatch, capsys):
    words = [*BASE, "--run_dir", "r"]
    with pytest.raises(RuntimeError, match="SLURM"):
        check(["fit", *words])
    Path("s.yaml").write_text(yaml.safe_dump({"run_dir": "s", "systems": {"natural": {}}}))
    began = []

    def run(verb, folder, arguments, shown=False):
        began.append(verb)
        (leave_fit if verb == "fit" else leave_test)(folder)
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    monkeypatch.setattr(study, "_report", lambda study: True)
    assert study.main(["s.yaml", *BASE]) == 0, capsys.readouterr().err
    assert began == ["fit", "test"]


def test_commands_are_begun_as_no_tasks(monkeypatch):
    given = []

    class Begun:
        def __init__(self, command, env, **rest):
            given.append(env)

        def __enter__(self):
            return self

        def __exit__(self, *rest):
            return None

        def wait(self):
            return 0

    monkeypatch.setattr(module.subprocess, "Popen", Begun)
    assert module.separate_run("fit", Path("r"), [])
    assert given[0]["SLURM_JOB_NAME"] == "interactive"
    assert given[0]["SLURM_JOB_ID"] == "7"


def test_a_study_that_is_told_of_its_jobs_time_limit_is_queued_again(monkeypatch):
    asked = []
    monkeypatch.setattr(
        slurm.subprocess, "run", lambda words, check: asked.append(words) or subprocess.CompletedProcess(words, 0)
    )
    monkeypatch.setattr(study, "main", lambda: signal.raise_signal(signal.SIGUSR1))
    with pytest.raises(SystemExit) as end:
        study.command()
    assert end.value.code == 128 + signal.SIGUSR1
    assert asked == [["scontrol", "requeue", "7"]]
    assert stopping.asked() == signal.SIGUSR1
