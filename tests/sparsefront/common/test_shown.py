from fractions import Fraction

import pytest

from sparsefront.common.rules import at_least, check_rules
from sparsefront.common.shown import shown


class Thing:
    """Something with settings of its own."""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (Fraction(1, 4), "0.25"),
        ("a\nb", r"'a\nb'"),
        (None, "None (null in YAML)"),
        ([1, "x"], "[1, 'x']"),
        (Thing, "the class Thing"),
        (Thing(), "an object of class Thing"),
        (len, "a len"),
    ],
)
def test_a_value_is_shown_as_it_is_written(value, text):
    assert shown(value) == text


def test_what_is_long_is_cut():
    text = shown("x" * 200)
    assert len(text) == 80
    assert text.endswith("...")


def test_a_rule_shows_an_object_by_its_class():
    with pytest.raises(ValueError, match=r"^`steps` must be an integer, found an object of class Thing\.$"):
        check_rules(at_least(1, steps=Thing()))
