"""A file in the working folder that is called as a library is does not take its place; the user's class is found."""

import subprocess
import sys
from pathlib import Path

import pytest

from sparsefront.studies.separate_run import separate_run

LIBRARIES = [
    "sklearn", "torch", "json", "typing", "yaml", "numpy", "timm", "kornia", "jsonargparse", "argparse", "tqdm",
    "pytorch_lightning", "scipy", "matplotlib", "csv", "importlib_metadata", "dataclasses", "wandb", "secrets",
]  # fmt: skip
FIT = [
    "fit", "--model.classifier", "mymodule.Net", "--data", "MNIST5k", "--data.val_size", "5",
    "--trainer.fast_dev_run", "1", "--trainer.accelerator", "cpu", "--trainer.enable_model_summary", "false",
]  # fmt: skip


@pytest.fixture(autouse=True)
def shadows(tmp_path, monkeypatch):
    """A working folder full of them, each of which leaves a trace when it is imported."""
    home = tmp_path / "home"
    for name in (*LIBRARIES, "attacks/__init__", "frontends/__init__", "classifiers/__init__", "sparsecode/__init__"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        trace = (
            f"import sys; from pathlib import Path\nPath(sys.path[0]).joinpath('x')\nopen('ran', 'a').write({name!r})\n"
        )
        (home / f"{name}.py").write_text(trace)
    (home / "mymodule.py").write_text(
        "from sparsefront.classifiers import ConvNet\nclass Net(ConvNet):\n"
        "    def __init__(self, in_chans: int, num_classes: int):\n"
        "        super().__init__(in_chans, num_classes)\n"
    )
    monkeypatch.chdir(home)
    return home


def script(folder, module, command):
    """As an installation makes one."""
    path = folder / command
    path.write_text(f"import sys\nfrom {module} import {command} as main\nsys.exit(main())\n")
    return [sys.executable, str(path)]


def run(command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_fit_imports_the_libraries_and_finds_the_users_class(tmp_path):
    done = run([*script(tmp_path, "sparsefront.cli.command", "command"), *FIT])
    assert done.returncode == 0, done.stderr
    assert not Path("ran").exists(), Path("ran").read_text()


@pytest.mark.parametrize(
    ("module", "args"),
    [
        pytest.param("sparsefront.cli.command", FIT, marks=pytest.mark.slow),
        pytest.param("sparsefront.cli.report", ["--help"], marks=pytest.mark.slow),
        pytest.param("sparsefront.cli.study", ["--help"], marks=pytest.mark.slow),
        pytest.param("sparsefront.cli.sweep", ["--help"], marks=pytest.mark.slow),
    ],
)
def test_so_does_python_m(module, args):
    done = run([sys.executable, "-m", module, *args])
    assert done.returncode == 0, done.stderr
    assert not Path("ran").exists(), Path("ran").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("module", ["sparsefront.cli.study", "sparsefront.cli.sweep"])
def test_so_do_the_other_commands(tmp_path, module):
    done = run([*script(tmp_path, module, "command"), "--help"])
    assert done.returncode == 0, done.stderr
    assert not Path("ran").exists(), Path("ran").read_text()


def test_so_does_a_run_in_a_process_of_its_own(tmp_path):
    assert separate_run("fit", tmp_path / "run", FIT[1:]), (tmp_path / "run/log.txt").read_text()
    assert not Path("ran").exists(), Path("ran").read_text()
