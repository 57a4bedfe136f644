"""What a study and a sweep take for done: content, not exit codes or files that are there (mended with the studies)."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from sparsefront.cli import study, sweep
from sparsefront.studies import separate_tests
from sparsefront.studies.separate_tests import has_results
from tests.helpers.places import CONFIGS

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

    def run(verb, folder, arguments):
        found.append((verb, list(arguments)))
        version = folder / f"version_{len(found)}"
        if verb == "fit":
            path = version / "checkpoints/last.ckpt"
            path.parent.mkdir(parents=True)
            content = {"state_dict": {}, "epoch": 0, "global_step": 3, "sparsefront": {"ended": len(found) > 1}}
            torch.save(content, path)
            return True
        rows = version / "results/test_partial"
        rows.mkdir(parents=True)
        (rows / "about.json").write_text("{}")
        return False

    monkeypatch.setattr(study, "separate_run", run)
    monkeypatch.setattr(study, "check", lambda args: None)
    monkeypatch.setattr(study, "_report", lambda folder, systems: True)
    Path("s.yaml").write_text(yaml.safe_dump(STUDY))
    return found


@pytest.mark.xfail(strict=True, reason="B2: a sweep takes a test that was killed in its diagnostics for done")
def test_a_test_that_was_stopped_before_its_end_has_no_results_yet(tmp_path):
    path = tmp_path / "version_0/results/test_attacks.json"
    path.parent.mkdir(parents=True)
    for whole in (True, False):
        path.write_text(json.dumps({"system": "a", "data": "b", "attacks": [], "whole": whole}))
        assert has_results(tmp_path) == whole


@pytest.mark.xfail(strict=True, reason="B2: a study takes a fit for whole by its exit code")
def test_a_fit_that_was_stopped_is_not_tested_but_gone_on_with_whatever_its_exit_code(commands):
    study.main(["s.yaml"])
    study.main(["s.yaml"])
    verbs = [verb for verb, _ in commands]
    assert verbs[:2] == ["fit", "fit"]


@pytest.mark.xfail(strict=True, reason="B2: a study begins an interrupted test anew")
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

    def run(verb, folder, arguments):
        found.append((verb, folder.name))
        file = folder / ("version_0/checkpoints/last.ckpt" if verb == "fit" else "version_1/results/test_attacks.json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            json.dumps({"command": shlex.join(["sparsefront", verb, *arguments, "--run_dir", str(folder)])})
        )
        return True

    for module in (study, separate_tests):
        monkeypatch.setattr(module, "separate_run", run)
    for module in (study, sweep):
        monkeypatch.setattr(module, "check", lambda args: None)
    monkeypatch.setattr(study, "_report", lambda folder, systems: True)
    monkeypatch.setattr(sweep, "_write", lambda *args: None)
    return found


@pytest.mark.xfail(strict=True, reason="B3: study.json holds paths of the study's own folder")
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


@pytest.mark.xfail(strict=True, reason="B3: a sweep knows its results by a command that names their folder")
def test_a_sweep_that_was_moved_is_still_done(done):
    args = ["--setting", "model.frontend.bits", "--values", "1", "2", "--run_dir"]
    assert sweep.main([*args, "runs/s"]) == 0
    ran = list(done)
    shutil.move("runs/s", "runs/t")
    assert sweep.main([*args, "runs/t"]) == 0
    assert done == ran
