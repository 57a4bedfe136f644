import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from sparsecode import Convolution, Dense


@st.composite
def convolutions(draw):
    taps = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    size = tuple(draw(st.integers(t, 11)) for t in taps)
    padding = tuple(draw(st.integers(0, t - 1)) for t in taps)
    filters = torch.randn(draw(st.integers(1, 4)), draw(st.integers(1, 3)), *taps, dtype=torch.float64)
    return Convolution(filters, size, draw(st.integers(1, 5)), padding)


@st.composite
def dense(draw):
    return Dense(torch.randn(draw(st.integers(1, 9)), draw(st.integers(1, 9)), dtype=torch.float64))


def matrix(operator):
    """One column an entry of the code."""
    basis = torch.eye(torch.Size(operator.code_shape).numel(), dtype=torch.float64)
    return operator.synthesise(basis.view(-1, *operator.code_shape)).flatten(1).T


@settings(max_examples=60, deadline=None)
@given(st.one_of(dense(), convolutions()))
def test_analysis_is_the_adjoint_of_synthesis(operator):
    codes = torch.randn(2, *operator.code_shape, dtype=torch.float64)
    signals = torch.randn(2, *operator.signal_shape, dtype=torch.float64)
    torch.testing.assert_close(
        (operator.synthesise(codes) * signals).sum(), (codes * operator.analyse(signals)).sum(), rtol=1e-10, atol=1e-10
    )


@settings(max_examples=60, deadline=None)
@given(st.one_of(dense(), convolutions()))
def test_the_lipschitz_bound_is_above_the_largest_eigenvalue_and_near_it(operator):
    largest = torch.linalg.matrix_norm(matrix(operator), 2).item() ** 2
    assert largest <= operator.lipschitz()
    if isinstance(operator, Dense):
        assert operator.lipschitz() <= 1.1 * largest


def test_the_lipschitz_bound_of_filters_much_smaller_than_the_signal_is_close():
    operator = Convolution(torch.randn(16, 3, 5, 5, dtype=torch.float64), (20, 20), 2, 2)
    largest = torch.linalg.matrix_norm(matrix(operator), 2).item() ** 2
    assert largest <= operator.lipschitz() <= 1.2 * largest


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 4), (4, "same"), (3, (1, 2))])
def test_convolution_is_torchs_own_and_its_transpose(stride, padding):
    filters, signals = torch.randn(6, 3, 9, 9), torch.randn(2, 3, 17, 14)
    operator = Convolution(filters, (17, 14), stride, padding)
    pixels = 4 if padding == "same" else padding
    codes = F.conv2d(signals, filters, stride=stride, padding=pixels)
    torch.testing.assert_close(operator.analyse(signals), codes, rtol=1e-4, atol=1e-4)
    assert operator.code_shape == codes.shape[1:]
    left = [(17 + 2 * operator.padding[0] - 9) % stride, (14 + 2 * operator.padding[1] - 9) % stride]
    synthesised = F.conv_transpose2d(codes, filters, stride=stride, padding=pixels, output_padding=left)
    torch.testing.assert_close(operator.synthesise(codes), synthesised, rtol=1e-4, atol=1e-2)


def test_gradients_reach_the_atoms():
    for atoms, make in [
        (torch.randn(5, 7, dtype=torch.float64), Dense),
        (torch.randn(2, 2, 3, 3, dtype=torch.float64), lambda f: Convolution(f, (5, 6), 2, 1)),
    ]:
        codes = torch.randn(2, *make(atoms).code_shape, dtype=torch.float64)

        def there_and_back(atoms, make=make, codes=codes):
            operator = make(atoms)
            return operator.analyse(operator.synthesise(codes))

        assert torch.autograd.gradcheck(there_and_back, atoms.requires_grad_())
        assert not make(atoms).detached().atoms.requires_grad


def test_another_precision_and_a_signal_without_rows_are_kept():
    for operator in (Dense(torch.randn(4, 3).float()), Convolution(torch.randn(2, 1, 3, 3).float(), (5, 5))):
        assert operator.to(torch.float64).atoms.dtype == torch.float64
        assert operator.to(torch.float32) is operator
        nothing = torch.zeros(0, *operator.signal_shape, dtype=torch.float32)
        assert operator.analyse(nothing).shape == (0, *operator.code_shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(torch.zeros(3)), r"`dictionary` must have shape \(m, K\)"),
        (lambda: Dense(torch.zeros(3, 0)), r"`dictionary` must have shape \(m, K\)"),
        (lambda: Dense(torch.full((2, 2), torch.nan)), "`dictionary` must be finite"),
        (lambda: Convolution(torch.zeros(2, 3, 3), (5, 5)), r"`filters` must have shape \(K, C, h, w\)"),
        (lambda: Convolution(torch.full((1, 1, 1, 1), torch.inf), (5, 5)), "`filters` must be finite"),
        (lambda: Convolution(torch.zeros(2, 1, 3, 3), (5, 5), 0), "`stride` must be at least 1"),
        (lambda: Convolution(torch.zeros(2, 1, 3, 3), (5, 5), 1, 3), "`padding` must be"),
        (lambda: Convolution(torch.zeros(2, 1, 3, 3), (5, 5), 1, "valid"), "`padding` must be"),
        (lambda: Convolution(torch.zeros(2, 1, 4, 4), (5, 5), 1, "same"), "needs filters of odd size"),
        (lambda: Convolution(torch.zeros(2, 1, 9, 9), (5, 8), 1, 1), "must not exceed the padded signal"),
    ],
)
def test_an_operator_that_cannot_be_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
