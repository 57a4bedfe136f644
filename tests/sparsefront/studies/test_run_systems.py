"""Systems that run side by side: their order, their lines, their threads, and how they end."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from submitit.helpers import DelayedSubmission

from sparsefront.cli import study
from sparsefront.common import stopping
from sparsefront.studies import separate_run as module
from sparsefront.studies import turn
from sparsefront.studies.cluster_workers import ClusterWorkers
from sparsefront.studies.run_systems import run_systems, threads_for
from sparsefront.studies.system import System
from sparsefront.studies.thread_workers import ThreadWorkers
from tests.helpers.small_command import BASE, PGD2
from tests.helpers.whole_runs import leave_fit, leave_test


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """No command is run: what is begun waits for the event of its verb and system, and comes to a good end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_closing", threading.Event())
    waits, order = {}, []

    def run(verb, folder, arguments, shown=False):
        order.append((verb, folder.name))
        waits.get((verb, folder.name), threading.Barrier(1)).wait(30)
        (leave_fit if verb == "fit" else leave_test)(folder)
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    return waits, order


def test_systems_run_at_the_same_time_and_one_that_needs_another_waits_for_its_fit_alone(begun):
    waits, order = begun
    waits["fit", "a"] = waits["fit", "b"] = threading.Barrier(2)  # neither ends before both have begun
    waits["test", "a"] = waits["fit", "after"] = threading.Barrier(2)
    a, b = System("a", Path("s/a")), System("b", Path("s/b"))
    after = System("after", Path("s/after"), needs=(a,))
    assert run_systems([a, b, after], ThreadWorkers(3), 3) == {}
    assert set(order[:2]) == {("fit", "a"), ("fit", "b")}
    assert order.index(("fit", "after")) > order.index(("fit", "a"))
    assert len(order) == 6


def test_no_more_run_at_a_time_than_asked_for_and_one_that_fails_keeps_back_those_that_need_it(begun, monkeypatch):
    at_once, most, lock = 0, 0, threading.Lock()

    def run(verb, folder, arguments, shown=False):
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        if folder.name == "0":
            return False
        (leave_fit if verb == "fit" else leave_test)(folder)
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    systems = [System(str(number), Path(f"s/{number}")) for number in range(5)]
    late = System("late", Path("s/late"), needs=(systems[0],))
    reasons = run_systems([*systems, late], ThreadWorkers(2), 2)
    assert most == 2
    assert set(reasons) == {"0", "late"}
    assert reasons["late"] == "it needs 0, which is not fitted"


def test_lines_of_systems_that_run_side_by_side_are_whole(begun, capsys):
    run_systems([System(name, Path(f"s/{name}")) for name in "ab"], ThreadWorkers(2), 2)
    lines = capsys.readouterr().out.splitlines()
    expected = [f"{name}: {verb} ...{end}" for name in "ab" for verb in ("fit", "test") for end in ("", " 0 s")]
    assert sorted(lines) == sorted(expected)


def test_processes_share_the_processors_unless_the_user_says_how_many_threads_they_have(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "7")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(9)))
    with threads_for(4):
        assert os.environ["OMP_NUM_THREADS"] == "2"
        assert os.environ["NUMBA_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_stop_ends_all_that_run_and_begins_nothing_more(tmp_path, monkeypatch, capsys):
    """Each is told once, waited for, and what it said is in its log; the sentence says how to go on."""
    import signal

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_closing", threading.Event())
    told = "import signal, sys, time\n"
    told += "def end(*_): print('told'); sys.exit(3)\n"
    told += "signal.signal(signal.SIGTERM, end)\nprint('begun', flush=True)\ntime.sleep(60)"
    real = subprocess.Popen
    monkeypatch.setattr(module.subprocess, "Popen", lambda command, **rest: real([sys.executable, "-c", told], **rest))
    logs = [tmp_path / f"s/{name}/log.txt" for name in "ab"]

    def stop_when_begun():
        while not all(log.is_file() and "begun" in log.read_text() for log in logs):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    systems = [System(name, Path(f"s/{name}")) for name in "abc"]
    threading.Thread(target=stop_when_begun, daemon=True).start()
    with pytest.raises(SystemExit) as end, stopping.command("sparsefront-study", ["s.yaml", "--jobs", "2"]):
        run_systems(systems, ThreadWorkers(2), 2)
    assert end.value.code == 130
    assert all(log.read_text().endswith("begun\ntold\n") for log in logs)
    assert not Path("s/c/log.txt").exists()
    assert not module._closing.is_set()  # the next study of this process may begin its own
    assert "go on with: sparsefront-study s.yaml --jobs 2" in capsys.readouterr().err


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_a_number_of_jobs_that_is_none_is_refused(jobs, capsys):
    with pytest.raises(SystemExit):
        study.main(["s.yaml", "--jobs", jobs])
    assert f"must be a whole number of at least 1, found {jobs}" in capsys.readouterr().err


def a_study(folder):
    """A front end of few bits before an untrained network: a test of seconds."""
    words = [*BASE, *PGD2, "--model.frontend", "BitDepth", "--trainer.limit_test_batches", "1"]
    return [System(name, folder / name, more=tuple(words), fit=False, home=folder) for name in ("a", "b")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("executor", ["debug", pytest.param("local", marks=pytest.mark.slow)])
def test_systems_are_jobs_of_a_cluster(executor, tmp_path, monkeypatch, begun):
    systems = a_study(tmp_path / "s")
    if executor == "local":
        monkeypatch.undo()
    workers = ClusterWorkers(tmp_path / "s/jobs", {"executor": executor, "timeout_min": 10})
    workers.pause = 0.1
    assert run_systems(systems, workers, 2) == {}
    assert all(any(system.folder.rglob("test_attacks.json")) for system in systems)
    if executor == "debug":
        assert begun[1] == [("test", "a"), ("test", "b")]


def test_a_preempted_job_lets_its_command_keep_what_it_has_and_asks_to_be_queued_again(monkeypatch):
    from sparsefront.studies import cluster_workers

    ended = []
    monkeypatch.setattr(cluster_workers, "end_all", lambda: ended.append(1))
    again = cluster_workers.PreemptibleTurn().checkpoint(System("a", Path("s/a")))
    assert ended == [1]
    assert isinstance(again, DelayedSubmission)
    assert again.args == (System("a", Path("s/a")),)


def test_a_parameter_that_submitit_does_not_have_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"`--cluster` must hold parameters of submitit, found others"):
        ClusterWorkers(tmp_path, {"executor": "local", "timeout": 3})


def test_without_submitit_a_cluster_is_refused_with_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "submitit", None)
    Path("s.yaml").write_text("systems: {a: {}}")
    Path("cluster.yaml").write_text("executor: local")
    assert study.main(["s.yaml", "--cluster", "cluster.yaml"]) == 2
    assert "`--cluster` needs submitit, found none installed; run `pip install 'sparsefront[cluster]'`" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("text", ["", "- a", "{", "3: 4"])
def test_a_file_that_holds_no_parameters_of_a_cluster_is_refused(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("systems: {a: {}}")
    Path("cluster.yaml").write_text(text)
    assert study.main(["s.yaml", "--cluster", "cluster.yaml"]) == 2
    assert "`--cluster` must be a YAML file of submitit's parameters, found none at cluster.yaml" in (
        capsys.readouterr().err
    )
