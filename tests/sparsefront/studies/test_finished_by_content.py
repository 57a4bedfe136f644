"""What a study and a sweep take for done: content, not exit codes or files that are there."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from sparsefront.cli import study, sweep
from sparsefront.studies import turn
from sparsefront.studies.finished import has_results
from tests.helpers.places import CONFIGS
from tests.helpers.whole_runs import leave_fit, leave_rows, leave_test

STUDY = {
    "run_dir": "runs/s",
    "configs": [str(CONFIGS / f"{name}.yaml") for name in ("base", "data/mnist5k", "classifiers/convnet")],
    "systems": {"natural": {}},
}


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """No command is run: each is noted with its arguments, and ends with exit code 0 where a fit was stopped."""
    monkeypatch.chdir(tmp_path)
    found = []

    def run(verb, folder, arguments, shown=False):
        found.append((verb, list(arguments)))
        if verb == "fit":
            leave_fit(folder, ended=len(found) > 1)
            return True
        leave_rows(folder)
        return False

    monkeypatch.setattr(turn, "separate_run", run)
    monkeypatch.setattr(study, "check", lambda args: None)
    monkeypatch.setattr(study, "_report", lambda study: True)
    Path("s.yaml").write_text(yaml.safe_dump(STUDY))
    return found


def test_a_test_that_was_stopped_before_its_end_has_no_results_yet(tmp_path):
    path = tmp_path / "version_0/results/test_attacks.json"
    path.parent.mkdir(parents=True)
    for whole in (True, False):
        path.write_text(json.dumps({"system": "a", "data": "b", "attacks": [], "whole": whole}))
        assert has_results(tmp_path) == whole


def test_a_fit_that_was_stopped_is_not_tested_but_gone_on_with_whatever_its_exit_code(commands):
    study.main(["s.yaml"])
    study.main(["s.yaml"])
    verbs = [verb for verb, _ in commands]
    assert verbs[:2] == ["fit", "fit"]


def test_a_test_that_was_interrupted_goes_on_from_its_rows(commands):
    for _ in range(3):
        study.main(["s.yaml"])
    tests = [arguments for verb, arguments in commands if verb == "test"]
    assert len(tests) > 1
    assert any("resume_from" in word for word in tests[-1])


@pytest.fixture
def done(tmp_path, monkeypatch):
    """Commands come to a good end and leave what they should."""
    monkeypatch.chdir(tmp_path)
    found = []

    def run(verb, folder, arguments, shown=False):
        found.append((verb, folder.name))
        (leave_fit if verb == "fit" else leave_test)(folder)
        return True

    monkeypatch.setattr(turn, "separate_run", run)
    for module in (study, sweep):
        monkeypatch.setattr(module, "check", lambda args: None)
    monkeypatch.setattr(study, "_report", lambda study: True)
    monkeypatch.setattr(sweep, "_write", lambda *args: None)
    return found


def test_a_study_that_was_moved_is_still_done(done):
    view = {"class_path": "Transfer", "init_args": {"checkpoint": "{run_dir}/natural"}}
    attack = {"name": "t", "attack": {"class_path": "FGSM"}, "view": view}
    systems = {"natural": {}, "other": {"settings": {"attacks+": [attack]}}}
    Path("s.yaml").write_text(yaml.safe_dump(STUDY | {"systems": systems}))
    assert study.main(["s.yaml"]) == 0
    ran = list(done)
    shutil.move("runs/s", "runs/t")
    assert study.main(["s.yaml", "--run_dir", "runs/t"]) == 0
    assert done == ran


def test_a_sweep_that_was_moved_is_still_done(done):
    args = ["--setting", "model.frontend.bits", "--values", "1", "2", "--run_dir"]
    assert sweep.main([*args, "runs/s"]) == 0
    ran = list(done)
    shutil.move("runs/s", "runs/t")
    assert sweep.main([*args, "runs/t"]) == 0
    assert done == ran
