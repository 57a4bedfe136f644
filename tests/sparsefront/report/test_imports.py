"""Who reads results and shows tables waits for no package that only computing and drawing need."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "pytorch_lightning", "torchmetrics", "torchvision", "timm", "kornia", "sklearn", "numba", "wandb"}
SCRIPT = """
import io, json, sys
from pathlib import Path

from rich.console import Console

from sparsefront.report import load_runs, print_table, rows_of, write_page

def packages():
    return sorted({module.partition(".")[0] for module in sys.modules})

runs = load_runs([sys.argv[1]])
print_table(rows_of(runs[0]), Console(file=io.StringIO()))
read = packages()
write_page(runs, Path(sys.argv[2]))
print(json.dumps([read, packages()]))
"""


@pytest.fixture(scope="module")
def packages(make_shared_run, tmp_path_factory):
    """Imported once a table was printed, and once a page was written."""
    out = tmp_path_factory.mktemp("page") / "page.html"
    command = [sys.executable, "-c", SCRIPT, str(make_shared_run("imports")), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert out.is_file()
    table, page = json.loads(done.stdout)
    return set(table), set(page)


def test_a_table_needs_no_model_and_no_figure(packages):
    assert not packages[0] & (HEAVY | {"matplotlib"})


def test_a_page_needs_no_model(packages):
    assert not packages[1] & HEAVY
    assert "matplotlib" in packages[1]
