"""What annotations in the source mean is what Python takes them to mean once they are imported."""

import ast
import importlib
import inspect
from typing import Literal, get_type_hints

import pytest
from pytorch_lightning import Trainer

from sparsefront.cli.source.annotations import plain_annotation
from sparsefront.cli.source.index import class_in, public_class, public_names

PACKAGES = ("attacks", "classifiers", "data", "frontends")


def meanings(kind):
    """By a setting's name what its annotation means, of those that are plain."""
    known = {}
    for setting in kind.taken or ():
        try:
            known[setting.name] = plain_annotation(setting.annotation, setting.module)
        except LookupError:
            continue
    return known


def hints_of(kind):
    """What Python takes the annotations of a class's constructor to mean."""
    hints = {}
    for one in reversed(kind.__mro__):
        hints |= get_type_hints(one.__dict__.get("__init__", object.__init__), include_extras=True)
    return hints


@pytest.mark.parametrize(("package", "name"), [(one, name) for one in PACKAGES for name in public_names(one)])
def test_plain_annotations_of_the_project_mean_what_python_says(package, name):
    kind = getattr(importlib.import_module(f"sparsefront.{package}"), name)
    read = public_class(package, name)
    if read is None or not isinstance(kind, type):
        return
    hints = hints_of(kind)
    for setting, meaning in meanings(read).items():
        assert meaning == hints[setting], setting


def test_most_annotations_of_the_trainer_are_known_and_mean_what_python_says():
    known = meanings(class_in("pytorch_lightning.trainer.trainer", "Trainer"))
    hints = get_type_hints(inspect.unwrap(Trainer.__init__))
    assert {"max_epochs", "min_epochs", "limit_train_batches", "fast_dev_run", "accumulate_grad_batches"} <= set(known)
    assert known == {name: hints[name] for name in known}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("int | None", int | None),
        ("tuple[int, ...]", tuple[int, ...]),
        ("Literal['a', 2] | float", Literal["a", 2] | float),
        ("dict[str, int]", None),
        ("Literal[__name__]", None),
        ("nowhere.int", None),
        ("'int'", None),
    ],
)
def test_what_is_not_plain_is_not_guessed(text, meaning):
    annotation = ast.parse(text, mode="eval").body
    if meaning is not None:
        assert plain_annotation(annotation, "sparsefront.data.base") == meaning
        return
    with pytest.raises(LookupError):
        plain_annotation(annotation, "sparsefront.data.base")
