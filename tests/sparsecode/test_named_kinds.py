"""Every public coder and operator, found in the package's list, names a number that is none."""

import inspect
import math
import typing

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

import sparsecode
from sparsecode._named_kinds import named_kinds

FILTERS = normalize((torch.arange(45.0) % 7 - 3).view(5, 9)).view(5, 1, 3, 3)
GIVEN = {
    "signals": torch.ones(3, 4), "dictionary": normalize((torch.arange(24.0) % 5 - 2).view(4, 6), dim=0), "t": 1.0,
    "filters": FILTERS, "images": torch.ones(2, 1, 8, 8), "lmbda": 0.1, "number": 2, "size": (8, 8), "patch_size": 3,
    "stride": 1, "coder": sparsecode.lasso, "generator": torch.Generator(), "points": torch.ones(2, 3), "radius": 1.0,
    "patches": torch.ones(2, 36, 9), "image_size": (8, 8), "a": torch.eye(6), "b": torch.ones(4, 6),
    "operator": sparsecode.Dense(normalize(torch.ones(4, 6), dim=0)), "n_nonzero_coefs": 2,
    "start": torch.rand(3, 4), "n_kept": 2, "kind": "pca", "seed": 0, "n_atoms": 9, "channels": 1,
    "places": torch.zeros(1, 3, dtype=torch.long), "values": torch.ones(1, 2, 2, 1), "count": 1,
    "index": torch.zeros(1, 2, 2, 1, dtype=torch.long), "weight": torch.ones(4, 2, 3, 3), "bias": None,
}  # fmt: skip
WRONG = [None, "x", "", [1], {}, object(), 3j, int, math.nan]
NUMBERS = (int, float, bool)


def numeric(kind):
    options = typing.get_args(kind) or (kind,)
    return [one for one in options if one in NUMBERS], type(None) in options


def settings():
    """(callable, argument, kind, whether None will do) of all numbers and switches."""
    for name in sparsecode.__all__:
        called = getattr(sparsecode, name)
        if not (inspect.isfunction(called) or inspect.isclass(called)) or called in (
            sparsecode.NotConverged,
            sparsecode.Operator,
        ):
            continue
        for argument, one in inspect.signature(called).parameters.items():
            kinds, optional = numeric(one.annotation)
            others = [kind for kind in typing.get_args(one.annotation) if kind not in (*NUMBERS, type(None))]
            if kinds and not others and len(kinds) == 1:
                yield pytest.param(called, argument, kinds[0], optional, id=f"{name}-{argument}")


@pytest.mark.parametrize(("called", "argument", "kind", "optional"), list(settings()))
def test_a_number_that_is_none_is_named(called, argument, kind, optional):
    needed = [name for name, one in inspect.signature(called).parameters.items() if one.default is one.empty]
    arguments = {name: GIVEN[name] for name in needed}
    wrong = [value for value in WRONG if not (value is None and optional)]
    # That a float is not a number is for the coder to say, with its range.
    wrong = [value for value in wrong if not (kind is float and isinstance(value, float))]
    for value in [*wrong, *([10**30, True] if kind is not bool else [0, 1.5]), *([2.5] if kind is int else [])]:
        with pytest.raises(ValueError, match=rf"^`{argument}` must be (an integer|a number|true or false)"):
            called(**{**arguments, argument: value})


def test_the_list_holds_the_coders():
    names = {param.id.partition("-")[0] for param in settings()}
    assert {
        "lasso",
        "omp",
        "fista",
        "lca",
        "cbpdn",
        "constrained_lasso",
        "OnlineDictionary",
        "extract_patches",
    } <= names


@pytest.mark.parametrize("signals", [np.ones((3, 4)), [[1.0, 0.0]], None])
def test_arrays_in_place_of_signals_are_named(signals):
    for coder in (sparsecode.lasso, sparsecode.lca):
        with pytest.raises(TypeError, match=r"^`signals` must be a torch tensor, found .*torch.as_tensor"):
            coder(signals, GIVEN["dictionary"], 0.1)


@named_kinds
def scaled(x, count: int, share: float | None = None, *, exact: bool = False):
    """Documented."""
    return x, count, share, exact


def test_what_is_of_its_kind_goes_through_as_it_is():
    one = torch.tensor(1)
    assert scaled("x", np.int64(3), one, exact=True) == ("x", 3, one, True)
    assert scaled(None, count=one, share=None) == (None, one, None, False)
    assert scaled.__doc__ == "Documented."
    with pytest.raises(ValueError, match=r"^`count` must be an integer, found True"):
        scaled("x", True)
