"""What CONTRIBUTING.md shows is done as it stands there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from sparsefront.cli.command import main
from tests.helpers.front_end_contract import assert_keeps_the_contract
from tests.helpers.places import CONFIGS, ROOT

GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
FILES = [*("CONTRIBUTING.md", "README.md", "pyproject.toml"), *("attacks", "benchmarks", "classifiers", "docs")]
FILES += ["frontends", "lightning_configs", "src", "tests"]


class Step(NamedTuple):
    """A code block and the words before it."""

    words: str
    code: str


class Addition(NamedTuple):
    """The four steps of a plug-in: its file, its line in `__init__.py`, its YAML, its row."""

    file: Step
    line: Step
    setting: Step
    row: Step

    def path(self, step: str) -> str:
        """The file that a step names first."""
        return re.search(r"`([\w/]+\.(?:py|yaml))`", getattr(self, step).words)[1]

    @property
    def name(self) -> str:
        """Of the class."""
        return re.search(r"^class (\w+)", self.file.code, flags=re.MULTILINE)[1]


BLOCKS = re.findall(r"^\d\. ([^`]*`.*?)\n\n```\w+\n(.*?)```", GUIDE, flags=re.DOTALL | re.MULTILINE)
STEPS = [Step(*block) for block in BLOCKS]
ADDITIONS = {
    Path(STEPS[at].words.split("`")[1]).parts[0]: Addition(*STEPS[at : at + 4]) for at in range(0, len(STEPS), 4)
}


def test_the_guide_adds_one_of_each_in_four_steps_and_nothing_in_src():
    assert list(ADDITIONS) == ["frontends", "attacks", "classifiers"]
    for folder, addition in ADDITIONS.items():
        paths = [addition.path(step) for step in Addition._fields]
        assert [Path(path).parts[0] for path in paths] == [folder, folder, "lightning_configs", "tests"]
        assert paths[1] == f"{folder}/__init__.py"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("addition", ADDITIONS.values(), ids=ADDITIONS)
def test_the_file_and_the_yaml_of_an_addition_run(addition, tmp_path, monkeypatch):
    module = f"{Path(addition.path('file')).stem}_of_the_guide"
    (tmp_path / f"{module}.py").write_text(addition.file.code)
    setting = re.sub(rf"sparsefront\.\w+\.{addition.name}", f"{module}.{addition.name}", addition.setting.code)
    (tmp_path / "own.yaml").write_text(setting)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    configs = [CONFIGS / f"{name}.yaml" for name in ("base", "data/mnist5k", "classifiers/convnet")]
    quick = ["--trainer.fast_dev_run", "1", "--trainer.accelerator", "cpu"]
    cli = main(["fit", *(f"--config={path}" for path in (*configs, "own.yaml")), *quick])
    used = [cli.model.frontend, cli.model.classifier, *(named.attack for named in cli.evaluation.attacks)]
    assert addition.name in {type(part).__name__ for part in used if type(part).__module__ == module}


def test_the_front_end_of_the_guide_keeps_the_contract():
    names = {}
    exec(compile(ADDITIONS["frontends"].file.code, "CONTRIBUTING.md", "exec"), names)
    assert_keeps_the_contract(names["HardThreshold"]((1, 8, 9)), torch.rand(4, 1, 8, 9))


def insert(path: Path, marker: str, text: str) -> None:
    """Put text behind the first line that a pattern finds."""
    before = path.read_text()
    found = re.search(marker, before, flags=re.MULTILINE)
    path.write_text(f"{before[: found.end()]}\n{text.rstrip()}{before[found.end() :]}")


@pytest.mark.slow
@pytest.mark.parametrize("folder", ADDITIONS)
def test_an_addition_made_to_the_letter_passes_its_tests_lint_and_types(folder, tmp_path):
    addition = ADDITIONS[folder]
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    for step in ("file", "setting"):
        (tmp_path / addition.path(step)).write_text(getattr(addition, step).code)
    package, rows = tmp_path / addition.path("line"), tmp_path / addition.path("row")
    insert(package, rf"^from sparsefront\.{folder}\..*$", addition.line.code)
    insert(package, r"^__all__ = \[$", f'    "{addition.name}",')
    table = re.search(r"`([A-Z_]+)`", addition.row.words)[1]
    insert(rows, rf"^{table} = [\[{{]$", addition.row.code)
    insert(rows, "^import pytest$", f"from sparsefront.{folder} import {addition.name}")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path / 'src'}:{tmp_path}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command: str) -> str:
        call = [sys.executable, "-m", *command]
        done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("ruff", "check", "--quiet", "--fix", ".")
    run("ruff", "format", "--check", ".")
    run("mypy")
    chosen = ["-k", f"{addition.name} or every or architecture"]
    run("pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(rows), "tests/test_architecture.py", *chosen)
