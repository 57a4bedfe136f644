"""OMP and ORMP: against scikit-learn, a plain rendering of the rules, SPAMS and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import orthogonal_mp
from torch.nn.functional import normalize

from sparsecode import omp
from tests.helpers.random_signals import random_signals

BACKENDS = ["native", "torch"]
RULES = ["omp", "ormp"]
both = pytest.mark.parametrize("backend", BACKENDS)
rules = pytest.mark.parametrize("rule", RULES)


def fit(signal, dictionary, support):
    """Least squares on a support: coefficients and squared residual norm."""
    found = np.linalg.lstsq(dictionary[:, support], signal, rcond=None)[0]
    return found, np.square(signal - dictionary[:, support] @ found).sum()


def plain(signals, dictionary, atoms, rule):
    """The rules as they are told: refit by least squares after every choice."""
    codes = np.zeros((len(signals), dictionary.shape[1]))
    for code, signal in zip(codes, signals, strict=True):
        support, residual = [], signal
        for _ in range(atoms):
            rest = [j for j in range(dictionary.shape[1]) if j not in support]
            if rule == "omp":
                support.append(max(rest, key=lambda j: abs(residual @ dictionary[:, j])))
            else:
                support.append(min(rest, key=lambda j: fit(signal, dictionary, [*support, j])[1]))
            coefs, _ = fit(signal, dictionary, support)
            residual = signal - dictionary[:, support] @ coefs
        code[support] = coefs
    return torch.from_numpy(codes)


@both
@rules
@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 5), m=st.integers(2, 12), k=st.integers(2, 40), seed=st.integers(0, 999), data=st.data())
def test_codes_are_those_of_refitting_after_every_choice(backend, rule, n, m, k, seed, data):
    atoms = data.draw(st.integers(1, min(m, k) - 1))
    signals, dictionary = random_signals(n, m, k, seed)
    codes = omp(signals, dictionary, atoms, rule=rule, backend=backend).codes
    torch.testing.assert_close(codes, plain(signals.numpy(), dictionary.numpy(), atoms, rule), rtol=1e-6, atol=1e-8)


@both
@pytest.mark.parametrize("atoms", [1, 5, 14])
def test_omp_is_that_of_scikit_learn(backend, atoms):
    signals, dictionary = random_signals(300, 32, 128, 0)
    expected = torch.from_numpy(orthogonal_mp(dictionary.numpy(), signals.numpy().T, n_nonzero_coefs=atoms).T)
    torch.testing.assert_close(omp(signals, dictionary, atoms, backend=backend).codes, expected, rtol=1e-7, atol=1e-9)


@both
def test_ormp_is_what_spams_calls_omp(backend):
    spams = pytest.importorskip("spams")
    signals, dictionary = random_signals(300, 32, 100, 1)
    expected = spams.omp(
        np.asfortranarray(signals.numpy().T), np.asfortranarray(dictionary.numpy()), L=6, eps=0.0, numThreads=1
    )
    codes = omp(signals, dictionary, 6, rule="ormp", backend=backend).codes
    torch.testing.assert_close(codes, torch.from_numpy(expected.toarray().T), rtol=1e-6, atol=1e-8)


@both
@rules
def test_a_signal_stops_where_its_residual_is_small_enough(backend, rule):
    signals, dictionary = random_signals(400, 16, 40, 2)
    codes, converged, _ = omp(signals, dictionary, 8, residual_tolerance=1.5, rule=rule, backend=backend)
    norms = (signals - codes @ dictionary.T).norm(dim=1)
    counts = (codes != 0).sum(dim=1)
    assert torch.equal(converged, norms <= 1.5)
    assert (counts[~converged] == 8).all()
    assert len(counts.unique()) > 3
    for row in converged.nonzero().flatten()[:20].tolist():  # one atom fewer would not have been enough
        if counts[row] > 0:
            fewer = omp(signals[row : row + 1], dictionary, max(int(counts[row]) - 1, 1), rule=rule).codes
            assert counts[row] == 1 or (signals[row] - fewer[0] @ dictionary.T).norm() > 1.5


@both
@rules
def test_zero_signals_get_zero_codes_and_exact_ones_no_spare_atoms(backend, rule):
    signals, dictionary = random_signals(4, 10, 30, 3)
    exact = 2 * dictionary[:, [4]].T
    codes = omp(torch.cat([0 * signals, exact]), dictionary, 5, rule=rule, backend=backend).codes
    assert not codes[:4].any()
    torch.testing.assert_close(codes[4], 2 * torch.eye(30, dtype=torch.float64)[4])


@both
@rules
def test_duplicate_atoms_are_not_both_chosen(backend, rule):
    signals, dictionary = random_signals(20, 6, 3, 4)
    codes = omp(signals, torch.cat([dictionary, dictionary], dim=1), 6, rule=rule, backend=backend).codes
    assert ((codes != 0).sum(dim=1) == 3).all()
    fitted = torch.linalg.lstsq(dictionary, signals.T).solution.T
    torch.testing.assert_close(codes[:, :3] + codes[:, 3:], fitted)


@both
@rules
def test_all_atoms_allowed_is_least_squares_and_one_atom_a_projection(backend, rule):
    signals, dictionary = random_signals(7, 12, 8, 5)
    codes = omp(signals, dictionary, 8, rule=rule, backend=backend).codes
    torch.testing.assert_close(codes, torch.linalg.lstsq(dictionary, signals.T).solution.T)
    only = omp(signals, dictionary[:, :1], 1, rule=rule, backend=backend).codes
    torch.testing.assert_close(only, signals @ dictionary[:, :1])


@both
@rules
def test_single_half_and_non_contiguous_input_are_coded_alike(backend, rule):
    signals, dictionary = random_signals(50, 16, 40, 6)
    expected = omp(signals, dictionary, 4, rule=rule, backend=backend).codes
    strided = torch.stack([signals, signals], dim=2)[:, :, 0], dictionary.T.contiguous().T
    torch.testing.assert_close(omp(*strided, 4, rule=rule, backend=backend).codes, expected)
    single = omp(signals.float(), dictionary.float(), 4, rule=rule, backend=backend).codes
    torch.testing.assert_close(single.double(), expected, rtol=1e-3, atol=1e-4)
    half = omp(signals.bfloat16(), dictionary.bfloat16().float().bfloat16(), 4, rule=rule, backend=backend).codes
    assert half.dtype == torch.bfloat16
    assert ((half != 0) == (expected != 0)).float().mean() > 0.95


@both
@rules
def test_a_signals_code_does_not_depend_on_its_batch_mates_nor_on_the_memory_allowed(backend, rule):
    signals, dictionary = random_signals(40, 16, 60, 7)
    whole = omp(signals, dictionary, 5, rule=rule, backend=backend).codes
    split = omp(signals, dictionary, 5, rule=rule, backend=backend, max_bytes=30_000).codes
    torch.testing.assert_close(split, whole)
    torch.testing.assert_close(omp(signals[7:8], dictionary, 5, rule=rule, backend=backend).codes, whole[7:8])
    assert not omp(signals[:0], dictionary, 5, rule=rule, backend=backend).codes.numel()


@pytest.mark.parametrize("rule", RULES)
def test_threads_share_the_signals_without_changing_a_code(rule):
    signals, dictionary = random_signals(1500, 16, 60, 8)
    one = omp(signals, dictionary, 5, rule=rule).codes
    torch.set_num_threads(3)
    try:
        torch.testing.assert_close(omp(signals, dictionary, 5, rule=rule).codes, one)
    finally:
        torch.set_num_threads(1)


@both
@rules
def test_the_implicit_gradient_is_that_of_finite_differences(backend, rule):
    signals, dictionary = random_signals(3, 8, 12, 9)

    def codes(y, d):
        return omp(y, d, 3, rule=rule, gradient="implicit", backend=backend).codes

    # The norm of an atom may move by 1e-6 here: unit norm is checked to 1e-3, and the fit holds for any norm.
    arguments = signals.requires_grad_(), dictionary.requires_grad_()
    torch.autograd.gradcheck(codes, arguments, eps=1e-6, atol=1e-5)


@both
def test_the_implicit_gradient_of_half_precision_is_that_of_single(backend):
    signals, dictionary = random_signals(3, 8, 12, 9, torch.float32)
    slopes = []
    for dtype in (torch.float16, torch.float32):
        halved = signals.half().to(dtype).requires_grad_()
        codes = omp(halved, dictionary.half().to(dtype), 3, gradient="implicit", backend=backend).codes
        slopes += torch.autograd.grad(codes.sum(), halved)
    torch.testing.assert_close(slopes[0].float(), slopes[1], rtol=1e-2, atol=1e-2)


@both
@rules
def test_atoms_whose_norms_are_a_little_off_are_fitted_by_least_squares_too(backend, rule):
    signals, dictionary = random_signals(6, 16, 32, 3)
    codes = omp(signals, 1.0009 * dictionary, 4, rule=rule, backend=backend).codes
    for code, signal in zip(codes, signals, strict=True):
        support = code.nonzero()[:, 0].numpy()
        found, _ = fit(signal.numpy(), 1.0009 * dictionary.numpy(), support)
        torch.testing.assert_close(code[support], torch.from_numpy(found), rtol=1e-9, atol=1e-11)


@both
def test_ormp_tells_nearly_parallel_atoms_apart(backend):
    generator = torch.Generator().manual_seed(0)
    atoms = normalize(torch.randn(12, 10, dtype=torch.float64, generator=generator), dim=0)
    apart = 1e-4 * torch.randn(12, 10, dtype=torch.float64, generator=generator)
    dictionary = torch.cat([atoms, normalize(atoms + apart, dim=0)], dim=1)
    noise = torch.randn(8, 12, dtype=torch.float64, generator=generator)
    signals = atoms[:, :3].sum(dim=1) + (dictionary[:, 10] - dictionary[:, 0]) / 1e-4 + 0.1 * noise
    codes = omp(signals, dictionary, 5, rule="ormp", backend=backend).codes
    expected = plain(signals.numpy(), dictionary.numpy(), 5, "ormp")
    assert torch.equal(codes != 0, expected != 0)


def energies_left_by_ormp(signals, dictionary, atoms, least):
    """Squared residual norms in double precision; atoms of which at most `least` lies outside the span are left out."""
    energies = []
    for residual in signals.double().numpy():
        outside, energy = dictionary.double().numpy(), np.square(residual).sum()
        for _ in range(atoms):
            squares = np.square(outside).sum(axis=0)
            gains = np.where(squares > least, np.square(outside.T @ residual) / np.maximum(squares, least), 0)
            pick = gains.argmax()
            if gains[pick] <= 1e-14 * energy:
                break
            direction = outside[:, pick] / squares[pick] ** 0.5
            residual = residual - direction * (direction @ residual)
            outside = outside - np.outer(direction, direction @ outside)
        energies.append(np.square(residual).sum())
    return torch.tensor(energies)


@both
@pytest.mark.parametrize("atoms", [2, 10, 38])
@pytest.mark.parametrize("seed", [0, 3])
def test_ormp_in_single_precision_is_not_spoilt_by_atoms_that_nearly_depend_on_each_other(backend, atoms, seed):
    generator = torch.Generator().manual_seed(seed)
    smooth = torch.randn(340, 64, generator=generator, dtype=torch.float32).cumsum(dim=1)
    smooth = smooth * (torch.randint(64, (340, 1), generator=generator) > torch.arange(64))  # few pixels of many
    dictionary = normalize(smooth[:200].T + 1e-3, dim=0)
    dictionary[:, 1] = dictionary[:, 0]
    noise = torch.randn(64, generator=generator, dtype=torch.float32)
    dictionary[:, 2] = normalize(dictionary[:, 0] + 2e-4 * noise, dim=0)
    dictionary[:, 3] = -dictionary[:, 0]
    signals = torch.cat([smooth[200:], 3 * dictionary[:, :1].T, (dictionary[:, :1] + 1e-3 * dictionary[:, 10:11]).T])
    codes = omp(signals, dictionary, atoms, rule="ormp", backend=backend).codes
    found = (signals.double() - codes.double() @ dictionary.double().T).square().sum(dim=1)
    least = torch.finfo(torch.float32).eps ** 0.5
    expected = energies_left_by_ormp(signals, dictionary, atoms, least)
    worse = (found - expected) / signals.double().square().sum(dim=1).clamp_min(1e-30)
    # An atom whose part outside the others is no less than sqrt(eps) of it is known to eps / sqrt(eps) = sqrt(eps): a
    # loss of about that at each of the few such atoms, where before it was a hundred times as much.
    assert worse.max() < 10 * least
    assert ((codes[:, :4] != 0).sum(dim=1) <= 1).all()


@both
@rules
@pytest.mark.parametrize("share", [1e-2, 1e-4])
def test_a_signal_in_single_precision_stops_at_the_tolerance_and_is_flagged_by_its_true_residual(backend, rule, share):
    signals, dictionary = random_signals(60, 48, 96, 2, torch.float32)
    tolerance = share * signals.norm(dim=1).mean().item()
    codes, converged, _ = omp(signals, dictionary, residual_tolerance=tolerance, rule=rule, backend=backend)
    residuals = (signals.double() - codes.double() @ dictionary.double().T).norm(dim=1)
    rounding = 1e-6 * signals.norm(dim=1)
    assert (residuals <= tolerance + rounding)[converged].all()
    assert (residuals >= tolerance - rounding)[~converged].all()
    assert converged.any()


def test_without_a_gradient_codes_are_constants():
    signals, dictionary = random_signals(3, 8, 12, 10)
    assert not omp(signals.requires_grad_(), dictionary, 3).codes.requires_grad


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "`n_nonzero_coefs` or `residual_tolerance` must be given"),
        ({"n_nonzero_coefs": 0}, "from 1 to the 12 atoms, found 0"),
        ({"n_nonzero_coefs": 13}, "from 1 to the 12 atoms, found 13"),
        ({"residual_tolerance": -1.0}, "`residual_tolerance` must be at least 0, found -1.0"),
        ({"n_nonzero_coefs": 2, "rule": "mp"}, "`rule` must be omp or ormp, found 'mp'"),
        ({"n_nonzero_coefs": 2, "gradient": "unrolled"}, "`gradient` must be none or implicit"),
        ({"n_nonzero_coefs": 2, "backend": "c"}, "`backend` must be native, torch or None"),
    ],
)
def test_settings_out_of_range_are_named(change, sentence):
    signals, dictionary = random_signals(3, 8, 12, 11)
    with pytest.raises(ValueError, match=sentence):
        omp(signals, dictionary, **change)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda y, d: (y[0], d), r"must share m > 0"),
        (lambda y, d: (y[:, :5], d), r"found \(3, 5\) and \(8, 12\)"),
        (lambda y, d: (y, 2 * d), "`dictionary` must have unit-norm columns, found norms in"),
        (lambda y, d: (y / 0, d), "`signals` must be finite"),
        (lambda y, d: (y, d.float()), "must share dtype and device"),
        (lambda y, d: (y.long(), d), "`signals` must be floating point"),
    ],
)
def test_input_that_cannot_be_coded_is_named(spoil, sentence):
    signals, dictionary = random_signals(3, 8, 12, 12)
    with pytest.raises(ValueError, match=sentence):
        omp(*spoil(signals, dictionary), 2)
