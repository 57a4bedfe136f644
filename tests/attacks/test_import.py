"""Attacks can be used without the framework around them."""

import json
import subprocess
import sys

import pytest

HEAVY = {"lightning", "matplotlib", "numba", "pytorch_lightning", "scipy", "sklearn", "timm", "torchvision"}
STATEMENTS = ["import sparsefront.attacks", "from sparsefront.attacks import PGD, WhiteBox"]
CODE = "import json, sys\nfor statement in sys.argv[1:]:\n    exec(statement)\n    print(json.dumps([*sys.modules]))"


@pytest.fixture(scope="module")
def imported():
    """Names of all modules that a fresh process holds after each statement and those before it."""
    told = subprocess.run([sys.executable, "-c", CODE, *STATEMENTS], capture_output=True, text=True, check=True)
    return dict(zip(STATEMENTS, (set(json.loads(line)) for line in told.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_importing_attacks_costs_the_import_of_torch_alone(statement, imported):
    assert "torch" in imported[statement]
    assert not {name.partition(".")[0] for name in imported[statement]} & HEAVY


def test_no_other_room_is_imported_with_them(imported):
    ours = {name for name in imported[STATEMENTS[0]] if name.startswith("sparsefront.") and name.count(".") == 1}
    assert ours == {"sparsefront.attacks", "sparsefront.common"}
