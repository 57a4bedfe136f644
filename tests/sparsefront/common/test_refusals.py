"""The class that refused is on the error, whatever it was built inside."""

import pytest

from sparsefront.attacks import PGD, NamedAttack
from sparsefront.common.refusals import part_that_refused, refusals_by
from sparsefront.common.settings import CheckedSettings
from sparsefront.frontends import JPEG, Compose, TopT


class Outer(CheckedSettings):
    def __init__(self, size: int) -> None:
        self.inner = Inner(size)


class Inner(CheckedSettings):
    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("`size` must be at least 1.")


class Lower(Inner):
    """Has no constructor of its own."""


@pytest.mark.parametrize(
    ("build", "part"),
    [
        (lambda: PGD(eps=-1.0), PGD),
        (lambda: PGD(steps="many"), PGD),
        (lambda: NamedAttack("two words", PGD()), NamedAttack),
        (lambda: TopT((1, 28, 28), patch_size=0), TopT),
        (lambda: Compose((1, 28, 28), [lambda shape: JPEG(shape, quality=0)]), JPEG),
        (lambda: Outer(0), Inner),
        (lambda: Outer("a"), Outer),
        (lambda: Lower(0), Lower),
    ],
)
def test_a_refusal_carries_the_innermost_class_at_work(build, part):
    with pytest.raises(ValueError, match=r"must be|may hold") as refused:
        build()
    assert part_that_refused(refused.value) is part


def test_an_error_of_nobody_carries_no_class():
    assert part_that_refused(ValueError("of nobody")) is None


def test_an_error_of_another_kind_is_left_as_it_is():
    with pytest.raises(RuntimeError) as raised, refusals_by(PGD):
        raise RuntimeError("broken")
    assert part_that_refused(raised.value) is None
