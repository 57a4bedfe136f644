"""Attacks can be used without the framework around them."""

import subprocess
import sys

import pytest

HEAVY = {"lightning", "matplotlib", "numba", "pytorch_lightning", "scipy", "sklearn", "timm", "torchvision"}


def packages_after(statement):
    """Names at the top of what a fresh process has imported."""
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(told.stdout.split())


@pytest.mark.parametrize("statement", ["import sparsefront.attacks", "from sparsefront.attacks import PGD, WhiteBox"])
def test_importing_attacks_costs_the_import_of_torch_alone(statement):
    assert not packages_after(statement) & HEAVY


def test_no_other_room_is_imported_with_them():
    code = "import sys, sparsefront.attacks; print(*sorted(name for name in sys.modules if name.count('.') == 1))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in told.stdout.split() if name.startswith("sparsefront.")}
    assert ours == {"sparsefront.attacks", "sparsefront.common"}
