"""What the README shows is run as it stands there."""

import importlib
import json
import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from benchmarks.__main__ import results
from benchmarks.demo_results import with_rows
from benchmarks.table import table, tables
from sparsefront.cli.command import main
from sparsefront.report import load_runs, rows_of
from sparsefront.report.table import HEADER
from sparsefront.report.table import cells as table_cells
from tests.helpers.places import ROOT

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


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_network_that_is_trained_already_is_its_class_and_a_file(suffix, tmp_path, monkeypatch):
    """The README's own classifier, with weights that no run of the project made."""
    (tmp_path / "mynetworks.py").write_text(OWN[2][0])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    (block,) = re.findall(r"### A network that is trained already\n.*?\n\n((?:    [^\n]*\n)+)", README, flags=re.DOTALL)
    words = shlex.split(
        block.replace("\\\n", " ").replace("mymodule", "mynetworks").replace("weights.pt", f"w.{suffix}")
    )
    words = [str(ROOT / word) if word.startswith("lightning_configs/") else word for word in words]
    network = importlib.import_module("mynetworks").Linear(1, 10)
    save = safetensors.torch.save_file if suffix == "safetensors" else torch.save
    save(network.state_dict(), f"w.{suffix}")
    quick = ["--trainer.limit_test_batches", "1", "--data.batch_size", "4", "--trainer.accelerator", "cpu"]
    cli = main([*words[1:], *quick])
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(cli.model.cpu().eval()(images), network(images))
    del sys.modules["mynetworks"]


def test_a_network_that_is_built_already_is_handed_over_by_a_function():
    (code,) = [code for code in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "lambda" in code]
    names = {}
    exec(code, names)
    assert names["model"].classifier is names["network"]
    names["evaluation"].check(names["model"])


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
    assert (path.parents[1] / "README.md").read_text().endswith(tables(CONTESTS[path]))


def test_the_page_of_benchmarks_has_all_results():
    assert (ROOT / "docs/benchmarks.md").read_text().endswith(f"\n\n{table(results())}")


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


def test_what_a_demo_found_takes_the_place_of_the_rows_that_the_readme_shows(tmp_path):
    homes = []
    for name in ("natural", "top_t"):
        homes.append(tmp_path / name)
        shutil.copytree(ROOT / "docs/results/mnist5k_demo" / name, homes[-1] / "results")
    rows = [row for run in load_runs(homes, "val") for row in rows_of(run)]
    found = with_rows(README, rows)
    shown = [cells(line) for line in found.splitlines() if line.startswith(("| Identity +", "| TopT +"))]
    results = {(row.system, row.attack): table_cells(row) for row in rows}
    assert {tuple(row[:2]) for row in shown} >= {("TopT + ConvNet", "pgd_l1"), ("TopT + ConvNet", "worst case")}
    for system, attack, adversary, clean, robust, interval in shown:
        assert results[system, attack][2:3] + results[system, attack][4:7] == (adversary, clean, robust, interval)
    outside = [line for line in README.splitlines() if not line.startswith("| ")]
    assert [line for line in found.splitlines() if not line.startswith("| ")] == outside
    with pytest.raises(ValueError, match="must have one table"):
        with_rows("no table", rows)


FIRST = re.search(r"## Use it\n\n((?:    [^\n]*\n)+)", README)[1].replace("\\\n", " ")
COMMANDS = [shlex.split(line) for line in FIRST.splitlines()]


def test_the_first_example_is_small_enough_for_a_cpu(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    fit = COMMANDS[0]
    assert fit[:2] == ["sparsefront", "fit"]
    settings = dict(zip(fit[2::2], fit[3::2], strict=True))
    assert int(settings["--model.frontend.n_atoms"]) <= 100
    assert int(settings["--evaluation.max_samples"]) <= 100  # in every epoch, on 500 images, attacks take hours
    assert int(settings["--evaluation.every_n_epochs"]) >= 10
    assert re.search(r"minutes? .*on two cores of a CPU", README)
    assert "on a GPU" in README


@pytest.mark.slow
def test_the_first_example_takes_about_two_minutes(tmp_path):
    def seconds():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    (tmp_path / "lightning_configs").symlink_to(ROOT / "lightning_configs")
    before = seconds()
    for command in COMMANDS:
        program = Path(sys.executable).parent / command[0]
        subprocess.run([program, *command[1:]], cwd=tmp_path, check=True, capture_output=True, timeout=1500)
    assert seconds() - before < 240  # of processor time: two minutes of two cores
    assert (tmp_path / "report.html").is_file()
