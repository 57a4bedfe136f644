"""What the commands import before they answer what needs no model: modules are counted, not seconds."""

import contextlib
import io
import json
import subprocess
import sys

import pytest

from sparsefront.cli.command import main
from tests.helpers.places import CONFIGS

HEAVY = {"torch", "pytorch_lightning", "torchvision", "timm", "kornia", "sklearn", "matplotlib", "numba", "wandb"}
BASE = CONFIGS / "base.yaml"
FIT = ["fit", "--config", str(CONFIGS / "experiments/mnist5k_top_t.yaml")]
ENTRY = "{name: a, attack: {class_path: PGD, init_args: {steps: 0}}}"
ASKED = {
    "help": ("sparsefront.cli.command:command", ["--help"]),
    "verb": ("sparsefront.cli.command:command", ["fitt"]),
    "none": ("sparsefront.cli.command:command", []),
    "setting": (
        "sparsefront.cli.command:command",
        [*FIT, "--model.frontend.top_tt", "3"],
    ),
    "value": ("sparsefront.cli.command:command", [*FIT, "--model.frontend.top_t", "ten"]),
    "rule": ("sparsefront.cli.command:command", [*FIT, "--model.frontend.top_t", "0"]),
    "trainer": ("sparsefront.cli.command:command", [*FIT, "--trainer.max_epochs", "x"]),
    "entry": ("sparsefront.cli.command:command", [*FIT, "--attacks+", ENTRY]),
    "report": ("sparsefront.cli.report:main", ["nowhere"]),
    "study": ("sparsefront.cli.study:main", ["nowhere.yaml"]),
    "key of a study": ("sparsefront.cli.study:main", [str(BASE)]),
    "class": (
        "sparsefront.cli.command:command",
        ["fit", "--config", str(BASE), "--model.frontend", "TopD", "--data", "MNIST5k"],
    ),
}
SCRIPT = """
import contextlib, importlib, io, json, sys

for name, (place, words) in json.loads(sys.argv[1]).items():
    sys.argv = ["command", *words]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            module, function = place.split(":")
            code = getattr(importlib.import_module(module), function)()
        except SystemExit as stop:
            code = stop.code
    print(json.dumps([name, code, sorted({module.partition(".")[0] for module in sys.modules})]))
"""


def answers(asked):
    """Of each thing asked: its name, the exit code, and the packages that a fresh process holds after it."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(asked)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def imported():
    """By what is asked: the exit code, and the packages that the process holds after it and those before it."""
    return {name: (code, set(modules)) for name, code, modules in answers(ASKED)}


def test_the_commands_end_as_they_should(imported):
    codes = {name: code for name, (code, _) in imported.items()}
    assert codes["help"] in (0, None)
    assert codes["none"] == codes["verb"] == codes["class"] == codes["setting"] == 2
    assert codes["report"] not in (0, None)
    assert codes["value"] == codes["rule"] == codes["trainer"] == codes["entry"] == 2
    assert codes["study"] == codes["key of a study"] == 2


@pytest.mark.parametrize("asked", ASKED)
def test_what_needs_no_model_imports_no_heavy_package(asked, imported):
    assert not imported[asked][1] & HEAVY


def test_the_help_of_a_verb_imports_no_package_that_lightning_does_without():
    """Lightning has torchmetrics, which imports matplotlib and torchvision where they are installed."""
    asked = {"fit": ("sparsefront.cli.command:command", ["fit", "--help"])}
    ((_, code, modules),) = answers(asked)
    assert code in (0, None)
    assert not set(modules) & {"timm", "kornia", "sklearn", "wandb", "mlxtend"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["torchmetrics", "torchvision", "timm", "kornia"])
def test_the_help_lists_no_class_of_another_package_as_a_classifier(package, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    monkeypatch.setenv("COLUMNS", "1000")
    told = io.StringIO()
    with contextlib.redirect_stdout(told), pytest.raises(SystemExit):
        main(["fit", "--help"])
    lines = told.getvalue().splitlines()
    start = next(
        number for number, line in enumerate(lines) if line.strip().startswith("--model.classifier CLASSIFIER")
    )
    end = next(n for n, line in enumerate(lines) if n > start and line.strip().startswith("--"))
    assert f"{package}." not in " ".join(lines[start:end])
