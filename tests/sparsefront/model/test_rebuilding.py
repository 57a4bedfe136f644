"""Groups of settings in a checkpoint: dataclasses that a constructor annotates."""

import re
from dataclasses import dataclass, field

import pytest

from sparsefront.model.rebuilding import rebuilt, settings_of


@dataclass(frozen=True)
class Steps:
    n_steps: int = 3


@dataclass(frozen=True)
class Learning:
    n_iterations: int = 100
    steps: Steps = field(default_factory=Steps)


class Whole:
    def __init__(self, learning: Learning = Learning(), other: Learning | None = None) -> None: ...


def test_a_group_of_settings_is_built_with_its_own_groups_and_defaults():
    given = {"learning": {"steps": {"n_steps": 5}}, "other": {"n_iterations": 2}}
    assert settings_of(Whole, given, "s") == {"learning": Learning(100, Steps(5)), "other": Learning(2)}
    assert settings_of(Whole, {"other": None}, "s") == {"other": None}


def test_a_setting_that_a_group_does_not_have_is_named():
    message = "`s.learning` of a checkpoint must hold settings of Learning, n_iterations, steps, found 'n_iteration'; "
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        settings_of(Whole, {"learning": {"n_iteration": 5}}, "s")


def test_a_group_that_is_no_mapping_is_named():
    with pytest.raises(ValueError, match=r"^`s` of a checkpoint must name a Learning class, found \[1\]"):
        rebuilt(Learning, [1], "s")
