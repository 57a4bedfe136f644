"""An editable installation: the checkout is what is imported, and nothing of it is copied."""

import pytest

from tests.helpers.environments import environment_with, run_from, site_of, with_libraries
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow  # for which pip fetches hatchling


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The `bin` folder of an environment into which the checkout is installed as editable."""
    home = tmp_path_factory.mktemp("editable")
    return with_libraries(environment_with(home / "venv", "--editable", ROOT))


def test_nothing_of_the_checkout_is_copied(installed):
    assert [path.name for path in site_of(installed).glob("sparse*")] == ["sparsefront-0.1.0.dist-info"]


def test_all_packages_are_those_of_the_checkout(installed, tmp_path):
    names = ("sparsefront", "sparsefront.frontends", "sparsefront.attacks", "sparsefront.classifiers", "sparsecode")
    code = f"import {', '.join(names)}; print(*(module.__file__ for module in ({', '.join(names)})), sep='\\n')"
    done = run_from(installed, tmp_path, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ROOT / "src" / name.replace(".", "/") / "__init__.py") for name in names]


def test_the_commands_find_the_configuration_files(installed, tmp_path):
    listed = run_from(installed, tmp_path, "sparsefront", "configs").stdout.split()
    assert len(listed) == len(list((ROOT / "lightning_configs").rglob("*.yaml")))
