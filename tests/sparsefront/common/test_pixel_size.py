from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

from sparsefront.common.pixel_size import PixelSize, pixel_size
from sparsefront.common.settings import CheckedSettings


@dataclass(frozen=True)
class Ball(CheckedSettings):
    """Settings with sizes of all three kinds, and text that is none."""

    eps: PixelSize = "8/255"
    step: PixelSize | None = None
    radii: Sequence[PixelSize] = ("1/255", 0.5)
    label: float | str = "8/255"

    def __post_init__(self) -> None:
        """Sizes are numbers by now."""
        assert isinstance(self.eps, float)


@pytest.mark.parametrize(
    ("written", "number"),
    [(0, 0.0), (3, 3.0), (0.03, 0.03), ("0.03", 0.03), ("8/255", 8 / 255), (Fraction(1, 3), 1 / 3), (np.float64(2), 2)],
)
def test_numbers_and_fractions_are_read_to_the_nearest_float(written, number):
    read = pixel_size(written, "eps")
    assert type(read) is float
    assert read == number


@pytest.mark.parametrize(
    "written", ["8:255", "8/0", "much", "", None, True, float("nan"), float("inf"), "inf", 10**400, [1]]
)
def test_what_is_no_number_is_refused(written):
    with pytest.raises(ValueError, match=r"^`eps` must be a finite number or a fraction such as 8/255, found "):
        pixel_size(written, "eps")


@pytest.mark.parametrize("written", [-1, "-1/255"])
def test_what_is_negative_is_refused(written):
    with pytest.raises(ValueError, match=rf"^`eps` must be >= 0, found {written}; write it in pixel units of \[0, 1\]"):
        pixel_size(written, "eps")


def test_sizes_are_floats_once_their_owner_is_built():
    ball = Ball(step="2/255", radii=["1/4", 1])
    assert (ball.eps, ball.step, ball.radii, ball.label) == (8 / 255, 2 / 255, (0.25, 1.0), "8/255")
    assert Ball().step is None
    assert Ball() == Ball(eps=8 / 255) == replace(Ball())


@pytest.mark.parametrize("settings", [{"eps": None}, {"step": "x"}, {"radii": [0.1, "x"]}])
def test_a_size_that_cannot_be_read_is_refused_when_its_owner_is_built(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"^`{name}` must be a finite number or a fraction such as 8/255, found "):
        Ball(**settings)


def test_a_class_that_inherits_reads_its_own_sizes_too():
    @dataclass(frozen=True)
    class Wider(Ball):
        width: PixelSize = "1/2"

    assert (Wider(eps="1/4").eps, Wider().width) == (0.25, 0.5)
