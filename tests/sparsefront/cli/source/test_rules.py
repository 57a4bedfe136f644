"""What the source refuses, the constructor refuses, in the same words; what the source lets pass may be anything."""

import ast
import importlib
from types import SimpleNamespace

import pytest

from sparsefront.cli.dry_run.broken_rule import broken_rule
from sparsefront.cli.dry_run.given import Given, parsed
from sparsefront.cli.source import index
from sparsefront.cli.source.index import public_class, public_names
from sparsefront.cli.source.rules import check_source_rules

PACKAGES = {"attacks": {}, "frontends": {"image_shape": (3, 16, 16)}, "classifiers": {"in_chans": 3, "num_classes": 4}}
"""Of a package: what its classes are handed over."""
VALUES = (-1, 0, 1, 2, 7, 0.5, 1.5, -0.25, 10**6)
CLASSES = [(package, name) for package in PACKAGES for name in public_names(package) if public_class(package, name)]


def refusal(kind, setting, value):
    """The sentence for a value, with the others at their defaults; None where it passes."""
    return broken_rule(kind, [Given(setting, value)])


@pytest.mark.parametrize(("package", "name"), CLASSES)
def test_defaults_break_no_rule(package, name):
    assert broken_rule(public_class(package, name), []) is None


@pytest.mark.parametrize(("package", "name"), CLASSES)
def test_what_the_source_refuses_the_constructor_refuses_in_the_same_words(package, name):
    read, kind = public_class(package, name), getattr(importlib.import_module(f"sparsefront.{package}"), name)
    if any(setting.default is None for setting in read.taken or ()):
        return  # more must be given than a value that is refused
    for setting in read.taken or ():
        for value in VALUES:
            if (said := refusal(read, setting.name, value)) is not None:
                taken = parsed(setting, Given(setting.name, value))  # an integer may be a number there
                with pytest.raises(ValueError, match="must") as refused:
                    kind(**PACKAGES[package], **{setting.name: taken})
                assert said == f"{name}: {refused.value}"


def test_many_rules_are_known():
    refused = {
        (name, setting)
        for package, name in CLASSES
        for setting in public_class(package, name).settings or ()
        if any(refusal(public_class(package, name), setting, value) is not None for value in VALUES)
    }
    assert len(refused) > 80
    assert {("TopT", "top_t"), ("PGD", "steps"), ("PGD", "eps"), ("ConvNet", "width"), ("BitDepth", "bits")} <= refused


SOURCE = """
from sparsefront.common.rules import at_least, check_rules, positive


class Base:
    def __init__(self, size: int) -> None:
        check_rules(at_least(1, size=size))


class Made(Base):
    def __init__(self, size: int = 2, half: float = 0.5, many: int = 3, mode: str = "a") -> None:
        super().__init__(size)
        if mode == "quick":
            return
        for many in range(many):
            pass
        if size > unknown:
            half = 3
        check_rules([*at_least(5, many=many), *positive(half=half)])
        if mode == "odd":
            raise ValueError(f"`mode` must be even, found {mode!r}.")
"""


@pytest.fixture
def made(monkeypatch):
    """A class whose constructor cannot be followed in every line."""
    original = index.source_of
    monkeypatch.setattr(index, "source_of", lambda module: ast.parse(SOURCE) if module == "mine" else original(module))
    monkeypatch.setattr("sparsefront.cli.source.index.class_in", index.class_in.__wrapped__)
    return index.class_in("mine", "Made")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"size": 0}, "`size` must be at least 1, found 0."),  # the base's rule
        ({"many": 1, "size": 2, "half": 0.5, "mode": "a"}, None),  # set again in a loop that is not followed
        ({"half": -1.0, "size": 2, "mode": "a"}, None),  # set again, maybe
        ({"mode": "odd", "size": 2}, "`mode` must be even, found 'odd'."),
        ({"mode": "quick", "size": 0}, "`size` must be at least 1, found 0."),
        ({"size": 2}, None),  # whether it returns is not known
    ],
)
def test_what_cannot_be_followed_makes_what_depends_on_it_unknown(given, sentence, made):
    if sentence is None:
        check_source_rules(made, given)
        return
    with pytest.raises(ValueError, match="must") as refused:
        check_source_rules(made, given)
    assert str(refused.value) == sentence


def test_the_settings_of_a_group_are_attributes():
    kind = public_class("frontends", "STL")
    clusters = SimpleNamespace(n_references=10, n_neighbours=20, n_components=1, strata_checkpoint=None)
    with pytest.raises(ValueError, match="`n_references` must be at least `n_clusters`"):
        check_source_rules(kind, {"n_filters": 4, "lmbda": 0.1, "n_clusters": 2, "clusters": clusters})
