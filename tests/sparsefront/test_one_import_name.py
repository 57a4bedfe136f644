"""A user's own `attacks/` beside the command, a package or a bare folder, and the project's: both are found."""

import os
import subprocess
import sys

import pytest

from tests.helpers.places import CONFIGS, ROOT

MINE = """
from dataclasses import dataclass
from sparsefront.attacks import Attack

@dataclass(frozen=True)
class Mine(Attack):
    amount: float = 0.1

    def perturb(self, model, images, labels, indices):
        return images
"""


@pytest.fixture(params=[True, False], ids=["package", "folder"])
def beside(request, tmp_path):
    """A working folder with `attacks/mine.py`, `frontends/` and `classifiers/` of the user's."""
    for name in ("attacks", "frontends", "classifiers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text(MINE if name == "attacks" else "")
        if request.param:
            (tmp_path / name / "__init__.py").write_text("whose = 'the user'\n")
    return tmp_path


def run(folder, *words):
    """As an editable installation would: the checkout's `src` is on the path, its top is not."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )


def test_from_python_each_name_is_its_own(beside):
    code = (
        "import attacks, frontends, classifiers, attacks.mine, sparsefront.attacks\n"
        "from importlib.util import find_spec\n"
        "from sparsefront.attacks import PGD\n"
        "assert PGD.__module__ == 'sparsefront.attacks.pgd'\n"
        "assert issubclass(attacks.mine.Mine, sparsefront.attacks.Attack)\n"
        "print(attacks.mine.__file__)\n"
        "for user in (attacks, frontends, classifiers):\n"
        "    print(*user.__path__, find_spec(f'sparsefront.{user.__name__}').origin)\n"
    )
    done = run(beside, "-c", code)
    assert done.returncode == 0, done.stderr
    mine, *places = done.stdout.splitlines()
    assert mine == str(beside / "attacks/mine.py")
    names = ("attacks", "frontends", "classifiers")
    assert places == [f"{beside / name} {ROOT / 'src/sparsefront' / name / '__init__.py'}" for name in names]


def test_from_the_shell_the_settings_name_both(beside):
    both = ["{name: mine, attack: attacks.mine.Mine}", "{name: pgd, attack: PGD}"]
    named = [word for attack in both for word in ("--attacks+", attack)]
    base = ["--config", str(CONFIGS / "base.yaml"), "--data", "MNIST5k", "--model.classifier", "ConvNet"]
    done = run(beside, "-m", "sparsefront.cli.command", "fit", *base, *named, "--print_config")
    assert done.returncode == 0, done.stderr
    assert "class_path: attacks.mine.Mine" in done.stdout
    assert "class_path: sparsefront.attacks.PGD" in done.stdout
