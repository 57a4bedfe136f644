"""The wheel, in an environment that has the dependencies and no checkout, run from an empty folder."""

import json

import pytest

from tests.helpers.environments import built_wheel, environment_with, run_from, site_of, with_libraries
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow  # builds a wheel, for which pip fetches hatchling
SMALL = [
    "--trainer.fast_dev_run", "1", "--trainer.accelerator", "cpu", "--trainer.enable_model_summary", "false",
    "--model.frontend.learning.n_iterations", "2", "--model.frontend.n_atoms", "8",
]  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The `bin` folder of an environment into which the wheel is installed."""
    home = tmp_path_factory.mktemp("wheel")
    return with_libraries(environment_with(home / "venv", built_wheel(home)))


@pytest.fixture
def run(installed, tmp_path):
    """Runs one of the environment's commands in an empty folder."""
    return lambda command, *words: run_from(installed, tmp_path, command, *words)


def test_nothing_is_imported_from_the_checkout(run, installed):
    names = "sparsefront, sparsefront.frontends, sparsefront.attacks, sparsefront.classifiers, sparsecode"
    done = run("python", "-c", f"import {names}; print(sparsefront.frontends.__file__, sparsefront.__version__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.parent / "lib")), done.stdout


@pytest.mark.parametrize("name", ["attacks", "frontends", "classifiers", "lightning_configs"])
def test_no_folder_of_the_project_goes_by_its_name_alone(run, name):
    assert run("python", "-c", f"import {name}").returncode != 0


def test_an_experiment_that_comes_with_it_is_fitted(run, tmp_path):
    done = run("sparsefront", "fit", "--config", "experiments/mnist5k_top_t.yaml", *SMALL)
    assert done.returncode == 0, done.stderr


def test_the_configuration_files_are_listed_and_written_out(run, tmp_path):
    listed = run("sparsefront", "configs").stdout.split()
    expected = sorted(
        path.relative_to(ROOT / "lightning_configs").as_posix() for path in (ROOT / "lightning_configs").rglob("*.yaml")
    )
    assert listed == expected
    assert run("sparsefront", "configs", "copy", "mine").returncode == 0
    for name in listed:
        assert (tmp_path / "mine" / name).read_text() == (ROOT / "lightning_configs" / name).read_text()


def test_its_annotations_are_for_others_too(run, installed):
    for package in ("sparsefront", "sparsecode"):
        assert (site_of(installed) / package / "py.typed").is_file()


def test_its_metadata_say_who_made_it_and_what_it_needs(run):
    told = "import importlib.metadata as m, json; print(json.dumps(m.metadata('sparsefront').items()))"
    items = json.loads(run("python", "-c", told).stdout)
    assert ["License-Expression", "Apache-2.0"] in items
    assert ["Author", "The sparsefront authors"] in items
    needed = [value for key, value in items if key == "Requires-Dist" and "extra ==" not in value]
    assert any(value.startswith("torch") for value in needed)
    assert not [value for value in needed if value.startswith(("wandb", "matplotlib", "jinja2", "mlxtend"))]
