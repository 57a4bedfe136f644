import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from sparsecode import CbpdnState, NotConverged, cbpdn, convolve, correlate, tikhonov_split
from tests.helpers.real_digits import mnist_data

BACKENDS = ["native", "torch"]


def problem(n=2, channels=3, height=9, width=8, k=5, tall=4, wide=3, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    filters = torch.randn(k, channels, tall, wide, generator=generator, dtype=dtype)
    filters /= filters.flatten(1).norm(dim=1)[:, None, None, None]
    return torch.randn(n, channels, height, width, generator=generator, dtype=dtype), filters


def objective(images, filters, codes, lmbda):
    misfit = (images - convolve(codes, filters)).square().flatten(1).sum(dim=1) / 2
    return misfit + lmbda * codes.abs().flatten(1).sum(dim=1)


def violation(images, filters, codes, lmbda):
    """How far any coefficient would move if it were minimised alone."""
    free = correlate(images - convolve(codes, filters), filters) + codes
    return (free - free.clamp(-lmbda, lmbda) - codes).abs().max().item()


def digits(n):
    images = torch.from_numpy(mnist_data()[0][:: 5000 // n][:n].reshape(n, 1, 28, 28)).float() / 255
    return tikhonov_split(images)[1]


@settings(max_examples=10, deadline=None)
@given(size=st.tuples(*[st.integers(1, 6)] * 2), pixel=st.tuples(*[st.integers(0, 5)] * 2), k=st.integers(0, 2))
def test_convolution_places_a_filter_at_its_coefficient_and_correlation_is_its_adjoint(size, pixel, k):
    images, filters = problem(1, 2, 6, 6, 3, *size)
    codes = torch.zeros(1, 3, 6, 6, dtype=torch.float64)
    codes[0, k, pixel[0], pixel[1]] = 2.0
    expected = F.pad(2 * filters[k], (0, 6 - size[1], 0, 6 - size[0])).roll(pixel, dims=(1, 2))[None]
    torch.testing.assert_close(convolve(codes, filters), expected)
    torch.testing.assert_close((convolve(codes, filters) * images).sum(), (codes * correlate(images, filters)).sum())


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=12, deadline=None)
@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    k=st.integers(1, 6),
    tall=st.integers(1, 5),
    wide=st.integers(1, 5),
    lmbda=st.floats(0.1, 2),
    seed=st.integers(0, 9),
)
@example(n=2, channels=1, height=5, width=5, k=3, tall=5, wide=5, lmbda=0.3, seed=0)  # a filter as large as the image
@example(n=3, channels=3, height=9, width=8, k=7, tall=5, wide=2, lmbda=0.3, seed=0)
def test_codes_meet_the_optimality_conditions(backend, n, channels, height, width, k, tall, wide, lmbda, seed):
    images, filters = problem(n, channels, height, width, k, min(tall, height), min(wide, width), seed)
    codes, converged, _ = cbpdn(images, filters, lmbda, tolerance=1e-6, max_steps=20_000, backend=backend)
    assert converged.all()
    assert violation(images, filters, codes, lmbda) <= 5e-4 * lmbda


def test_both_backends_reach_sporcos_solution_on_real_images():
    sporco = pytest.importorskip("sporco.admm.cbpdn")
    images = digits(2)
    _, filters = problem(channels=1, k=8, tall=5, wide=5, dtype=torch.float32)
    options = {"MaxMainIter": 300, "RelStopTol": 2e-4}
    for image in images:
        solver = sporco.ConvBPDN(
            filters.permute(2, 3, 1, 0).numpy(),
            image.permute(1, 2, 0).numpy(),
            0.2,
            sporco.ConvBPDN.Options({"Verbose": False, **options}),
            dimK=0,
        )
        theirs = torch.from_numpy(np.asarray(solver.solve()).reshape(1, 28, 28, 8)).permute(0, 3, 1, 2)
        for backend in BACKENDS:
            ours = cbpdn(image[None], filters, 0.2, tolerance=1e-4, backend=backend).codes
            assert (objective(image[None], filters, ours, 0.2) / objective(image[None], filters, theirs, 0.2)) < 1.0001
            torch.testing.assert_close(convolve(ours, filters), convolve(theirs, filters), atol=2e-3, rtol=0)


def test_the_default_tolerance_is_within_a_thousandth_of_the_optimum():
    images = digits(3)
    _, filters = problem(channels=1, k=8, tall=6, wide=6, dtype=torch.float32)
    best = objective(images, filters, cbpdn(images, filters, 0.2, tolerance=1e-4).codes, 0.2)
    for backend in BACKENDS:
        reached = objective(images, filters, cbpdn(images, filters, 0.2, backend=backend).codes, 0.2)
        assert (reached / best).max() < 1.001


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_images_code_does_not_depend_on_its_batch_mates_or_on_how_the_batch_is_split(backend):
    images, filters = problem(5, seed=1)
    images[1] *= 3
    whole = cbpdn(images, filters, 0.3, backend=backend, tolerance=1e-6).codes
    apart = torch.cat([cbpdn(image[None], filters, 0.3, backend=backend, tolerance=1e-6).codes for image in images])
    torch.testing.assert_close(whole, apart)
    split = cbpdn(images, filters, 0.3, backend=backend, tolerance=1e-6, max_bytes=1).codes
    torch.testing.assert_close(whole, split)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_zero_image_and_a_weight_above_all_correlations_give_zero_codes(backend):
    images, filters = problem()
    images[0] = 0
    codes, converged, _ = cbpdn(images, filters, 0.3, backend=backend)
    assert converged.all()
    assert not codes[0].any()
    assert codes[1].any()
    largest = correlate(images, filters).abs().max().item()
    codes, converged, state = cbpdn(images, filters, largest * 1.01, backend=backend)
    assert converged.all()
    assert not codes.any()
    assert not cbpdn(images, filters, largest * 1.01, backend=backend, start=state).codes.any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_duplicate_filters_share_the_coefficients_of_one(backend):
    images, filters = problem(seed=3)
    one = cbpdn(images, filters, 0.4, backend=backend, tolerance=1e-7).codes
    two = cbpdn(images, torch.cat([filters, filters]), 0.4, backend=backend, tolerance=1e-7).codes
    both = convolve(two[:, :5] + two[:, 5:], filters)
    torch.testing.assert_close(both, convolve(one, filters), atol=1e-4, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_and_any_layout_are_taken(backend):
    images, filters = problem(dtype=torch.float32)
    expected = cbpdn(images, filters, 0.3, backend=backend).codes
    turned = images.contiguous(memory_format=torch.channels_last)
    slanted = filters.transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(cbpdn(turned, slanted, 0.3, backend=backend).codes, expected, atol=1e-4, rtol=0)
    for dtype in (torch.float16, torch.bfloat16):
        codes = cbpdn(images.to(dtype), filters.to(dtype), 0.3, backend=backend).codes
        assert codes.dtype == dtype
        misfit = convolve(codes.float(), filters) - convolve(expected, filters)
        assert misfit.abs().max() < 0.1


@pytest.mark.parametrize("first", BACKENDS)
@pytest.mark.parametrize("second", BACKENDS)
def test_a_solved_start_of_either_backend_costs_little(first, second):
    images, filters = problem(seed=4)
    codes, _, state = cbpdn(images, filters, 0.3, backend=first, tolerance=1e-7)
    again = cbpdn(images, filters, 0.3, backend=second, tolerance=1e-3, start=state, max_steps=3)
    assert again.converged.all()
    torch.testing.assert_close(again.codes, codes, atol=1e-3, rtol=0)
    bare = cbpdn(images, filters, 0.3, backend=second, tolerance=1e-3, start=codes, max_steps=3)
    assert bare.converged.all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_start_of_another_image_leads_to_the_same_solution(backend):
    images, filters = problem(seed=5)
    start = cbpdn(images.flip(0), filters, 0.3, backend=backend).state
    warm = cbpdn(images, filters, 0.3, backend=backend, tolerance=1e-7, start=start).codes
    assert violation(images, filters, warm, 0.3) < 1e-5


@pytest.mark.parametrize("backend", BACKENDS)
def test_stopping_early_is_flagged_and_warned_of_once(backend):
    images, filters = problem()
    images[0] = 0
    with pytest.warns(NotConverged, match="1 of 2") as caught:
        codes, converged, state = cbpdn(images, filters, 0.1, backend=backend, tolerance=1e-9, max_steps=1)
    assert len(caught) == 1
    assert converged.tolist() == [True, False]
    assert cbpdn(images, filters, 0.1, backend=backend, tolerance=1e-7, start=state).converged.all()
    assert torch.isfinite(codes).all()


def test_an_empty_batch_gives_empty_codes():
    images, filters = problem(dtype=torch.float32)
    for backend in BACKENDS:
        assert cbpdn(images[:0], filters, 0.3, backend=backend).codes.shape == (0, 5, 9, 8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_change_nothing(backend):
    images, filters = problem(6, seed=6)
    expected = cbpdn(images, filters, 0.3, backend=backend).codes
    torch.set_num_threads(2)
    try:
        torch.testing.assert_close(cbpdn(images, filters, 0.3, backend=backend).codes, expected)
    finally:
        torch.set_num_threads(1)


def slope(images, filters, direction, which, weight):
    """Central difference of sum(weight * codes) when images or filters move along a direction."""
    step, values = 1e-5, []
    for sign in (1, -1):
        moved = [images, filters]
        moved[which] = moved[which] + sign * step * direction
        codes = cbpdn(*moved, 0.3, tolerance=1e-11, max_steps=50_000, backend="native").codes
        values.append(((weight * codes).sum(), codes != 0))
    assert values[0][1].equal(values[1][1])  # the derivative exists only where the support stays
    return (values[0][0] - values[1][0]) / (2 * step)


@pytest.mark.parametrize(("gradient", "steps"), [("implicit", 1), ("unrolled", 200)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_are_those_of_finite_differences(gradient, steps, backend):
    images, filters = problem(2, 2, 10, 9, 3, 3, 3, seed=8)
    weight = torch.randn(2, 3, 10, 9, dtype=torch.float64)
    leaves = images.clone().requires_grad_(), filters.clone().requires_grad_()
    codes, _, _ = cbpdn(
        *leaves, 0.3, tolerance=1e-9, max_steps=50_000, gradient=gradient, unrolled_steps=steps, backend=backend
    )
    by = torch.autograd.grad((weight * codes).sum(), leaves)
    along_images = torch.randn_like(images)
    along_filters = torch.randn_like(filters)
    # Filters stay of unit norm.
    along_filters -= filters * (filters * along_filters).sum(dim=(1, 2, 3), keepdim=True)
    for which, direction in ((0, along_images), (1, along_filters)):
        expected = slope(images, filters, direction, which, weight)
        torch.testing.assert_close((by[which] * direction).sum(), expected, rtol=1e-3, atol=1e-4)


def test_coefficients_that_end_at_zero_are_not_in_the_support():
    """A leftover of any size near 0 would be taken for one of the support, and its condition for one that holds."""
    images, filters = problem(4)
    for lmbda in (0.05, 0.3):
        codes = cbpdn(images, filters, lmbda, tolerance=1e-2).codes
        slack = correlate(images - convolve(codes, filters), filters)
        assert ((slack - lmbda * codes.sign()).abs()[codes != 0] <= 2e-2 * lmbda).all()


@pytest.mark.parametrize("gradient", ["implicit", "unrolled"])
def test_differentiable_codes_have_the_solvers_values(gradient):
    images, filters = problem()
    expected = cbpdn(images, filters, 0.3).codes
    codes = cbpdn(images.requires_grad_(), filters, 0.3, gradient=gradient).codes
    torch.testing.assert_close(codes.detach(), expected)
    assert codes.requires_grad
    constant = cbpdn(images, filters, 0.3).codes
    assert not constant.requires_grad
    with torch.no_grad():
        assert not cbpdn(images, filters, 0.3, gradient=gradient).codes.requires_grad


def test_the_implicit_gradient_does_not_depend_on_how_the_batch_is_split():
    images, filters = problem(4)
    found = []
    for max_bytes in (2**30, 1):
        leaves = images.clone().requires_grad_(), filters.clone().requires_grad_()
        codes = cbpdn(*leaves, 0.3, gradient="implicit", max_bytes=max_bytes).codes
        found.append(torch.autograd.grad(codes.square().sum(), leaves))
    for whole, split in zip(*found, strict=True):
        torch.testing.assert_close(whole, split)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_implicit_gradient_that_was_not_solved_for_is_warned_of(backend, monkeypatch):
    monkeypatch.setattr("sparsecode._cbpdn_gradient._CG_STEPS", 1)
    images, filters = problem()
    images[0] = 0
    codes = cbpdn(images.requires_grad_(), filters, 0.3, gradient="implicit", backend=backend).codes
    with pytest.warns(NotConverged, match="1 of 2"):
        codes.square().sum().backward()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"images": p["images"][0]}, "share C"),
        (lambda p: {"filters": p["filters"][:, :1]}, "share C"),
        (lambda p: {"filters": p["filters"][:0]}, "must not be empty"),
        (lambda p: {"images": p["images"][..., :3, :]}, "larger than the images"),
        (lambda p: {"filters": 2 * p["filters"]}, "unit norm"),
        (lambda p: {"images": p["images"] * torch.nan}, "finite"),
        (lambda p: {"images": p["images"].float()}, "share dtype"),
        (lambda p: {"lmbda": 0.0}, "`lmbda` must be positive"),
        (lambda p: {"lmbda": torch.nan}, "`lmbda` must be positive"),
        (lambda p: {"tolerance": -1.0}, "`tolerance` must be positive"),
        (lambda p: {"max_steps": 0}, "`max_steps` must be positive"),
        (lambda p: {"gradient": "exact"}, "none, unrolled or implicit"),
        (lambda p: {"backend": "jax"}, "native, torch or None"),
        (lambda p: {"start": p["images"]}, "`start` must hold codes"),
        (lambda p: {"start": torch.full_like(cbpdn(**p).codes, torch.nan)}, "`start` must be finite"),
        (lambda p: {"start": cbpdn(**p)}, "pass its `.state`"),
        (lambda p: {"images": 1e200 * p["images"]}, "scale them"),
        (lambda p: {"start": CbpdnState(p["images"])}, "`start` must hold codes"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    images, filters = problem()
    arguments = {"images": images, "filters": filters, "lmbda": 0.3}
    arguments |= change(arguments)
    with pytest.raises(ValueError, match=message):
        cbpdn(**arguments)
