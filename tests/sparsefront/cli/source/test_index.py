"""What is read from the source is what Python finds when it imports it."""

import importlib
import inspect

import pytest

from sparsefront.cli.source.index import HANDED_OVER, public_class, public_names
from sparsefront.frontends.settings.top_t_learning import TopTLearning

PACKAGES = ("attacks", "classifiers", "data", "frontends")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_names_are_those_that_the_package_has_for_everyone(package):
    assert public_names(package) == tuple(importlib.import_module(f"sparsefront.{package}").__all__)


@pytest.mark.parametrize(("package", "name"), [(one, name) for one in PACKAGES for name in public_names(one)])
def test_settings_and_ancestors_are_those_of_the_class(package, name):
    kind, read = getattr(importlib.import_module(f"sparsefront.{package}"), name), public_class(package, name)
    if not isinstance(kind, type):
        assert read is None
        return
    if issubclass(kind, tuple):  # a named tuple is no part that YAML builds
        return
    assert read.ancestors == {one.__name__ for one in kind.__mro__ if one.__module__.startswith("sparsefront.")}
    if read.settings is not None:
        assert read.settings == tuple(name for name in inspect.signature(kind).parameters if name not in HANDED_OVER)


def test_a_name_that_is_not_there_is_none():
    assert public_class("frontends", "TopD") is None


def test_a_group_is_the_dataclass_that_its_setting_is_annotated_with():
    known = public_class("frontends", "TopT").known
    assert known["learning"] == tuple(inspect.signature(TopTLearning).parameters)
    assert known["top_t"] == ()
    assert public_class("frontends", "RegionSparse").known["background"]  # which may be null
