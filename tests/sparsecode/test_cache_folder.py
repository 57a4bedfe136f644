"""Kernels compile where nothing can be kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import sparsecode


def test_a_read_only_installation_of_someone_without_a_home_compiles_in_a_folder_that_goes_away(tmp_path):
    """Files stand where folders would be made, which stops even those whom no permission stops."""
    shutil.copytree(
        Path(sparsecode.__file__).parent, tmp_path / "here/sparsecode", ignore=shutil.ignore_patterns("__pycache__")
    )
    for folder in (tmp_path / "here/sparsecode").rglob("*"):
        if folder.is_dir():
            (folder / "__pycache__").touch()
    (tmp_path / "home").touch()
    (tmp_path / "temporary").mkdir()
    code = (
        "import numpy, numba; from sparsecode._native import gram_schmidt\n"
        "import sparsecode; print(sparsecode.__file__); print(numba.config.CACHE_DIR)\n"
        "@numba.njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    )
    script = tmp_path / "here" / "script.py"
    script.write_text(f"{code}print(twice(3))\n")
    home = str(tmp_path / "home")
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment |= {"HOME": home, "XDG_CACHE_HOME": home, "PYTHONPATH": str(tmp_path / "here"),
                    "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(tmp_path / "temporary")}  # fmt: skip
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    where, folder, result = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert Path(folder).parent == tmp_path / "temporary"
    assert result == "6"
    assert not list((tmp_path / "temporary").iterdir())
