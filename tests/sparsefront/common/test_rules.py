"""Settings that are numbers: how they are read, and the sentence where one is not what it must be."""

import math
from dataclasses import is_dataclass
from fractions import Fraction

import pytest

from sparsefront.common.rules import fraction
from sparsefront.frontends import (
    D3,
    DDL,
    JPEG,
    STL,
    Bilateral,
    BitDepth,
    ComDefend,
    CropEnsemble,
    ImageQuilting,
    MagNet,
    MeanFilter,
    MedianFilter,
    NonLocalMeans,
    PixelDeflection,
    RandomResizePad,
    RegionSparse,
    TopT,
    TotalVariation,
)
from sparsefront.frontends.settings import (
    BackgroundFilter,
    DDLLearning,
    RegionSparseLearning,
    TopTLearning,
    TopTQuantizer,
)

SHAPE = (3, 16, 16)
NO_NUMBERS = ["299/0", "4/x", "a", "", "inf", "1e400", math.nan, math.inf, -math.inf, None, True]


@pytest.mark.parametrize("value", [0.28, "0.28", "7/25", Fraction(7, 25)])
def test_a_number_is_what_is_written(value):
    assert fraction(value, "h") == Fraction(7, 25)
    assert float(fraction(value, "h")) == 0.28


def built(kind, **settings):
    """A front end, or a group of settings, of these."""
    return kind(**settings) if is_dataclass(kind) else kind(SHAPE, **settings)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=str)
def test_what_is_no_finite_number_is_named(value):
    with pytest.raises(ValueError, match=r"^`h` must be a finite number or a fraction such as 8/255, found "):
        fraction(value, "h")


READ_AS_FRACTIONS = [
    (RandomResizePad, "smallest"),
    (CropEnsemble, "crop"),
    (NonLocalMeans, "h"),
    (RegionSparseLearning, "h"),
    (Bilateral, "sigma_color"),
    (BackgroundFilter, "sigma_color"),
    (TopTQuantizer, "eps"),
    (DDLLearning, "eps"),
    (D3, "atoms_share"),
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=str)
@pytest.mark.parametrize(("front_end", "name"), READ_AS_FRACTIONS)
def test_every_front_end_names_the_setting_that_is_no_number(front_end, name, value):
    with pytest.raises(ValueError, match=f"^`{name}` must be a finite number or a fraction"):
        built(front_end, **{name: value})


INTEGERS = [
    (BitDepth, "bits"),
    (JPEG, "quality"),
    (MeanFilter, "kernel_size"),
    (MedianFilter, "kernel_size"),
    (Bilateral, "diameter"),
    (NonLocalMeans, "patch_size"),
    (CropEnsemble, "n_crops"),
    (TotalVariation, "n_iterations"),
    (MagNet, "n_iterations"),
    (ComDefend, "bits_per_channel"),
    (PixelDeflection, "n_deflections"),
    (D3, "n_atoms"),
    (DDL, "n_atoms"),
    (TopT, "top_t"),
    (ImageQuilting, "n_neighbours"),
    (RegionSparse, "stride"),
    (STL, "n_clusters"),
]


@pytest.mark.parametrize(("front_end", "name"), INTEGERS)
def test_a_count_that_is_no_integer_is_named(front_end, name):
    with pytest.raises(ValueError, match=f"^`{name}` must be an integer, found 2.5"):
        built(front_end, **{name: 2.5})


FINITE = [
    (Bilateral, "sigma_space"),
    (ComDefend, "lmbda"),
    (PixelDeflection, "sigma"),
    (TopTQuantizer, "beta"),
    (TopTLearning, "lmbda"),
    (DDL, "lmbda"),
    (STL, "lmbda"),
]


@pytest.mark.parametrize(("front_end", "name"), FINITE)
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_a_setting_that_is_not_finite_is_named(front_end, name, value):
    with pytest.raises(ValueError, match=f"^`{name}` must be (positive|>= 0) and finite, found {value}"):
        built(front_end, **{name: value})


def test_widths_must_be_integers():
    with pytest.raises(ValueError, match="`widths` must hold one or more integers of at least 1"):
        ComDefend(SHAPE, widths=(4, 8.5))
