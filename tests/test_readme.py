"""What the README shows is run as it stands there."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from benchmarks.table import table
from sparsefront.cli import main
from sparsefront.report.table import HEADER

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OWN = re.findall(r"```python\n(.*?)```\n\n    (--.*?)\n", README, flags=re.DOTALL)


def test_the_readme_shows_a_front_end_an_attack_and_a_classifier_in_under_15_lines_each():
    assert len(OWN) == 3
    assert all(len(code.splitlines()) < 15 for code, _ in OWN)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("code", "argument"), OWN, ids=["frontend", "attack", "classifier"])
def test_a_part_of_ones_own_is_one_file_and_one_argument(code, argument, tmp_path, monkeypatch):
    module = f"mymodule_{abs(hash(code))}"  # its own name: modules are imported once a process
    (tmp_path / f"{module}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    configs = [
        f"--config={ROOT}/lightning_configs/{name}.yaml" for name in ("base", "data/mnist5k", "classifiers/convnet")
    ]
    own = shlex.split(argument.replace("mymodule", module))
    cli = main(["fit", *configs, "--trainer.fast_dev_run", "1", "--trainer.accelerator", "cpu", *own])
    used = [cli.model.frontend, cli.model.classifier, *(named.attack for named in cli.evaluation.attacks)]
    assert module in {type(part).__module__ for part in used}


def test_the_engines_example_runs_and_restores_images():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/sparsecode.md").read_text(), flags=re.DOTALL)
    names = {}
    exec(code, names)
    assert names["restored"].shape == names["images"].shape
    assert names["converged"].all()


CONTESTS = {
    path: found["contests"]
    for path in sorted(ROOT.glob("benchmarks/*/results/*.json"))
    if "contests" in (found := json.loads(path.read_text()))
}


@pytest.mark.parametrize("path", CONTESTS, ids=lambda path: path.stem)
def test_a_benchmarks_table_is_that_of_its_results_file(path):
    assert (path.parents[1] / "README.md").read_text().endswith(table(CONTESTS[path]))


def test_every_file_that_the_readme_names_is_there():
    for path in re.findall(r"(?:lightning_configs|docs|benchmarks|src|frontends|classifiers|attacks)/[\w./]*", README):
        assert (ROOT / path).exists(), path


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_every_number_of_the_demo_stands_in_its_results_file():
    results = [cells(line) for line in (ROOT / "docs/results/mnist5k_demo.md").read_text().splitlines()]
    measured = {(row[0], row[1], row[2], row[4], row[5], row[6]) for row in results if len(row) == len(HEADER)}
    shown = [cells(line) for line in README.splitlines() if line.startswith(("| Identity +", "| TopT +"))]
    assert len(shown) > 5
    assert {tuple(row) for row in shown} <= measured
