"""Compiled coordinate descent on a hierarchy's energy, against proximal steps and the dense matrices of its layers."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode.hierarchy import CoordinateDescent, Hierarchy, JointOperator
from tests.helpers.small_hierarchies import matrix, minimum, overlapping, signals, stack, two_branches

ANY = 2**28  # bytes


def blank(model, number):
    return torch.zeros(number, sum(model.sizes), dtype=torch.float64)


MODELS = {
    "stack": stack(),
    "signed": stack((0.5, 2.0), positive=False),
    "code": stack(feedback_on="code"),
    "alone": stack((0.0, 0.0)),
    "two groups": stack((2.0, 0.0), positive=False, feedback_on="code"),
    "two branches": two_branches(),
    "one of two": two_branches((0.0, 0.5)),
    "overlapping": overlapping(),
    "overlapping, signed": overlapping(1, (3, 2), positive=False, feedback_on="code"),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_ends_where_proximal_steps_do(model):
    given_ = signals(model, 3)
    codes, converged = CoordinateDescent(model).minimise(blank(model, 3), given_, 1e-9, 50_000)
    assert converged.all()
    torch.testing.assert_close(codes, minimum(model, given_, 1e-9), atol=1e-7, rtol=0)
    assert all((part != 0).any() for part in model.split(codes))


@settings(max_examples=25)
@given(
    stride=st.integers(1, 3),
    taps=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    data=st.data(),
    positive=st.booleans(),
)
def test_rests_at_any_size_stride_and_padding(stride, taps, data, positive):
    padding = (data.draw(st.integers(0, taps[0] - 1)), data.draw(st.integers(0, taps[1] - 1)))
    model = overlapping(stride, padding, taps, positive)
    given_ = signals(model, 2)
    codes, converged = CoordinateDescent(model).minimise(blank(model, 2), given_, 1e-6, 50_000)
    assert converged.all()
    parts = model.split(codes)
    assert model.unrest(parts, model.drive(parts, given_)).max() <= 1.01e-6


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_rest_up_to_the_tolerance_by_the_residuals(tolerance, dtype):
    model = overlapping()
    model = Hierarchy([dataclasses.replace(one, atoms=one.atoms.to(dtype)) for one in model.levels])
    given_ = [None if part is None else part.to(dtype) for part in signals(model, 4)]
    codes, converged = CoordinateDescent(model).minimise(blank(model, 4).to(dtype), given_, tolerance, 5000)
    assert converged.all()
    assert codes.dtype == dtype
    parts = model.split(codes)
    assert model.unrest(parts, model.drive(parts, given_)).max() <= 1.05 * tolerance


def test_rounding_does_not_add_up_however_large_the_signals_are():
    """In single precision, where the drive that is kept along drifts further than the tolerance."""
    model = overlapping(1, (3, 2))
    model = Hierarchy([dataclasses.replace(one, atoms=one.atoms.float()) for one in model.levels])
    given_ = [None if part is None else 100 * part.float() for part in signals(model, 8)]
    codes, converged = CoordinateDescent(model).minimise(blank(model, 8).float(), given_, 1e-3, 5000)
    assert converged.all()
    parts = model.split(codes)
    assert model.unrest(parts, model.drive(parts, given_)).max() <= 1.3e-3


@pytest.mark.parametrize("number", [0, 1])
def test_takes_any_number_of_signals(number):
    model = stack()
    codes, converged = CoordinateDescent(model).minimise(blank(model, number), signals(model, number), 1e-3, 100)
    assert codes.shape == (number, sum(model.sizes))
    assert converged.shape == (number,)


def test_codes_are_at_or_above_0_at_the_smallest_threshold():
    model = stack(lmbdas=(1e-30, 0.05, 0.05))
    codes, _ = CoordinateDescent(model).minimise(blank(model, 2), signals(model, 2), 1e-2, 20)
    assert codes.min() == 0


def test_says_who_did_not_get_there_and_leaves_a_start_at_rest_alone():
    model = overlapping()
    given_ = signals(model, 3)
    given_[0][1] = 0
    descent = CoordinateDescent(model)
    codes, converged = descent.minimise(blank(model, 3), given_, 1e-6, 1)
    assert converged.tolist() == [False, True, False]
    assert not codes[1].any()
    at_rest, _ = descent.minimise(blank(model, 3), given_, 1e-6, 1000)
    kept = at_rest.clone()
    again, converged = descent.minimise(at_rest, given_, 1.1e-6, 0)
    assert converged.all()
    assert torch.equal(again, kept)
    assert torch.equal(at_rest, kept)


def test_from_codes_nearby_fewer_rounds_suffice():
    model = overlapping()
    given_ = signals(model, 3)
    descent = CoordinateDescent(model)
    before, _ = descent.minimise(blank(model, 3), given_, 1e-6, 1000)
    moved = [None if part is None else part + 1e-3 * part.sin() for part in given_]

    def rounds(start):
        return next(n for n in range(1000) if descent.minimise(start, moved, 1e-6, n)[1].all())

    assert rounds(before) < rounds(blank(model, 3))


def test_a_signals_code_depends_neither_on_its_mates_nor_on_the_threads(monkeypatch):
    model = stack()
    given_ = signals(model, 4)
    given_[0][0] *= 0.01  # rests long before the others

    def codes(rows):
        part = model.given([given_[0][rows]])
        return CoordinateDescent(model).minimise(blank(model, len(rows)), part, 1e-3, 1000)[0]

    together = codes([0, 1, 2, 3])
    assert torch.equal(together, torch.cat([codes([row]) for row in range(4)]))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert torch.equal(together, codes([0, 1, 2, 3]))


def test_kernels_serve_single_and_double_precision_on_a_cpu_in_bounded_memory():
    model = stack()
    assert model.can_be_compiled(ANY)
    assert not model.can_be_compiled(1000)
    assert model.can_be_compiled(sum(8 * (o.tables.size) for o in model.overlaps))
    assert not model.can_be_compiled(sum(8 * (o.tables.size) for o in model.overlaps) - 1)
    levels = [dataclasses.replace(one, atoms=one.atoms.bfloat16()) for one in model.levels]
    assert not Hierarchy(levels).can_be_compiled(ANY)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_each_codes_bend_is_the_squared_norm_of_its_column(model):
    for group, overlaps in zip(model.groups, model.overlaps, strict=True):
        operator = JointOperator.of(model, group, [1.0] * len(group))
        columns = matrix(operator, operator.code_shape[0])
        sizes = [model.sizes[index] for index in group]
        norms = columns.square().sum(dim=0).split(sizes)
        expected = torch.cat([norm / model.weights[n] for n, norm in zip(group, norms, strict=True)])
        torch.testing.assert_close(torch.from_numpy(overlaps.bends), model.atoms_last(group, expected[None])[0])
