"""Environments into which the project is installed; their libraries are those of the one that runs the tests."""

import os
import subprocess
import sys
import sysconfig
import venv
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.helpers.places import ROOT

LIBRARIES = Path(sysconfig.get_path("purelib"))


def built_wheel(folder):
    """The project's wheel, built into a folder."""
    words = ["wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_with(folder, *what):
    """The `bin` of a new environment in a folder, with what `pip install` is told to install, and no libraries yet."""
    venv.create(folder, with_pip=False)
    words = ["--python", str(folder / "bin/python"), "install", "--no-deps", "--quiet", *map(str, what)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
    return folder / "bin"


def site_of(binaries):
    """The folder of an environment's packages."""
    (site,) = binaries.parent.glob("lib/python*/site-packages")
    return site


def with_libraries(binaries, libraries=LIBRARIES):
    """The environment's `bin`, with the libraries of a folder."""
    (site_of(binaries) / "libraries.pth").write_text(f"{libraries}\n")
    return binaries


def with_core_libraries(binaries, folder):
    """The environment's `bin`, with what the project needs without extras, linked into a folder, and nothing else."""
    folder.mkdir()
    installed = Distribution.at(next(site_of(binaries).glob("sparsefront-*.dist-info")))
    for name in sorted(_needed(installed)):
        for top in {file.parts[0] for file in distribution(name).files or []} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(LIBRARIES / top)
    return with_libraries(binaries, folder)


def _needed(project):
    """Names of the installed distributions that another asks for, or that those ask for, without extras of its own."""
    ahead, met, names = [(project, ())], set(), set()
    while ahead:
        one, extras = ahead.pop()
        for requirement in map(Requirement, one.requires or []):
            marker, key = requirement.marker, (requirement.name, frozenset(requirement.extras))
            if key in met or not (marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))):
                continue
            met.add(key)
            with suppress(PackageNotFoundError):
                ahead.append((distribution(requirement.name), requirement.extras))
                names.add(requirement.name)
    return names


def run_from(binaries, folder, command, *words):
    """One of the environment's commands, in a folder, without what this process was told of the checkout."""
    told = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [binaries / command, *words], cwd=folder, env=told, capture_output=True, text=True, timeout=300
    )
