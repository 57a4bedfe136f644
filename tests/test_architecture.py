"""Imports point one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMON = "sparsefront.common"  # lowest: files, written whole and read as data
OURS = {COMMON, "sparsefront", "sparsecode", "frontends", "classifiers", "attacks", "tests", "benchmarks"}
ALLOWED = {
    "src/sparsecode": {"sparsecode"},
    "frontends": {"frontends", "sparsecode", COMMON},
    "classifiers": {"classifiers", COMMON},
    "attacks": {"attacks", COMMON},
    "src/sparsefront/common": {COMMON},
    "src/sparsefront": {COMMON, "sparsefront", "frontends", "classifiers", "attacks"},
}


def package(module):
    return COMMON if f"{module}.".startswith(f"{COMMON}.") else module.split(".")[0]


def imported(path):
    for node in ast.walk(path if isinstance(path, ast.Module) else ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (package(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield package(node.module)


@pytest.mark.parametrize("folder", sorted(ALLOWED))
def test_imports_point_the_right_way(folder):
    files = list((ROOT / folder).rglob("*.py"))
    assert files
    for path in files:
        wrong = (set(imported(path)) & OURS) - ALLOWED[folder]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("folder", ["src/sparsecode", "attacks", "classifiers"])
def test_numerics_know_nothing_of_lightning(folder):
    for path in (ROOT / folder).rglob("*.py"):
        assert not {"pytorch_lightning", "lightning"} & set(imported(path)), path


def test_classifiers_import_scikit_learn_where_it_is_used():
    """They may be imported before Lightning, whose Trainer would then read 1 batch as all of them."""
    for path in (ROOT / "classifiers").rglob("*.py"):
        module = ast.parse(path.read_text())
        module.body = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert "sklearn" not in set(imported(module)), path


def test_the_two_lightnings_are_never_mixed():
    for path in ROOT.glob("**/*.py"):
        if ".venv" not in path.parts:
            assert "lightning" not in set(imported(path)), path
