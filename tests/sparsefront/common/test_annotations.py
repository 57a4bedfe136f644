"""What the parameters of a class are annotated with."""

from dataclasses import dataclass

import pytest

from sparsefront.common.annotations import annotations_of, settings_group_of


@dataclass(frozen=True)
class Learning:
    n_iterations: int = 100


@dataclass(frozen=True)
class Codes:
    tolerance: float = 0.1


class Base:
    def __init__(self, width: int, seed: int = 0) -> None: ...


class Inner(Base):
    def __init__(self, width: float, learning: Learning, **others: int) -> None: ...


class Foreign:
    def __init__(self, width: "NotThere") -> None: ...  # noqa: F821


def test_the_annotations_of_a_class_come_before_those_of_its_bases():
    annotations = annotations_of(Inner)
    assert (annotations["width"], annotations["seed"], annotations["learning"]) == (float, int, Learning)
    assert annotations_of(Foreign) == {}
    assert annotations_of(None) == {}


@pytest.mark.parametrize(
    ("annotation", "group"),
    [
        (Learning, Learning), (Learning | None, Learning), (int, None), (None, None), (Learning | int, None),
        (Learning | Codes, None), (list[Learning], None), (Base, None),
    ],
)  # fmt: skip
def test_a_group_of_settings_is_a_dataclass_that_stands_alone_or_beside_null(annotation, group):
    assert settings_group_of(annotation) is group
