"""What every front end must do; `test_front_end_contract.py` calls these for each."""

import warnings

import pytest
import pytorch_lightning as pl
import torch

from frontends import FrontEnd


def fitted(frontend: FrontEnd, images: torch.Tensor) -> FrontEnd:
    """Let a front end learn from images as stage one does, without labels."""
    if not frontend.learned:
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=len(images))
        trainer = pl.Trainer(
            accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # no validation, no optimizer: by design
            trainer.fit(frontend, loader)
        frontend._trainer = None
    return frontend.eval()


def seeded(function, images: torch.Tensor) -> torch.Tensor:
    """A call whose random draws, if there are any, are always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return function(images)


def assert_keeps_the_contract(frontend: FrontEnd, images: torch.Tensor) -> None:
    frontend.eval()
    assert_returns_what_it_says(frontend, images)
    assert_draws_only_if_it_says_so(frontend, images)
    assert_no_dependence_on_batch_mates(frontend, images)
    assert_every_backward_mode_has_the_deployed_value(frontend, images)
    assert_identity_hands_gradients_on(frontend, images)
    assert_exact_is_the_derivative(frontend, images)
    assert_survives_extremes(frontend, images)
    assert_lower_precision_works_or_is_refused(frontend, images)
    assert_checkpoint_round_trip(frontend, images)


def assert_returns_what_it_says(frontend: FrontEnd, images: torch.Tensor) -> None:
    before = images.clone()
    out = frontend(images)
    assert torch.equal(images, before), "changes its input"
    assert out.dtype == images.dtype
    assert out.shape[:2] == (len(images) * frontend.n_copies, frontend.out_channels)
    assert frontend.returns_images == (out.shape[1:] == images.shape[1:])
    if frontend.returns_images:
        assert out.min() >= 0
        assert out.max() <= 1
    torch.testing.assert_close(seeded(frontend, images.transpose(2, 3).contiguous().transpose(2, 3)),
                               seeded(frontend, images), atol=1e-5, rtol=1e-5)  # fmt: skip


def assert_draws_only_if_it_says_so(frontend: FrontEnd, images: torch.Tensor) -> None:
    state = torch.get_rng_state()
    first, again = frontend(images), frontend(images)
    assert torch.equal(first, again) != frontend.randomised
    assert torch.equal(torch.get_rng_state(), state) != frontend.randomised
    assert torch.equal(seeded(frontend, images), seeded(frontend, images))


def assert_no_dependence_on_batch_mates(frontend: FrontEnd, images: torch.Tensor) -> None:
    if frontend.randomised:  # then other draws come with other batches
        return
    apart = torch.cat([frontend(image[None]) for image in images])
    torch.testing.assert_close(frontend(images), apart, atol=1e-5, rtol=1e-5)


def assert_every_backward_mode_has_the_deployed_value(frontend: FrontEnd, images: torch.Tensor) -> None:
    with torch.no_grad():
        deployed = seeded(frontend, images)
    assert frontend.default_backward in frontend.backward_modes()
    for name in frontend.backward_modes():
        x = images.clone().requires_grad_()
        out = seeded(frontend.stand_in(name), x)
        assert torch.equal(out.detach(), deployed), name
        (gradient,) = torch.autograd.grad(out.sum(), x)
        assert gradient.shape == x.shape
        assert gradient.isfinite().all()


def assert_identity_hands_gradients_on(frontend: FrontEnd, images: torch.Tensor) -> None:
    modes = frontend.backward_modes()
    # A front end may mean another identity, somewhere inside.
    if "identity" not in modes or type(frontend)._identity is not FrontEnd._identity:
        return
    x = images.clone().requires_grad_()
    out = frontend.stand_in("identity")(x)
    weights = torch.rand_like(out)
    (gradient,) = torch.autograd.grad(out, x, weights)
    torch.testing.assert_close(gradient, weights.unflatten(0, (len(x), frontend.n_copies)).sum(dim=1))


def assert_exact_is_the_derivative(frontend: FrontEnd, images: torch.Tensor) -> None:
    """Central differences in double precision along random directions, inside the box.

    A piecewise constant front end passes with gradient 0, which is its derivative almost everywhere.
    """
    if "exact" not in frontend.backward_modes():
        return
    double = frontend.double()
    try:
        generator = torch.Generator().manual_seed(0)
        point = (0.1 + 0.8 * images.double()).requires_grad_()
        exact = double.stand_in("exact")
        out = seeded(exact, point)
        weights = torch.rand(out.shape, generator=generator, dtype=torch.float64)
        (gradient,) = torch.autograd.grad((out * weights).sum(), point)
        for _ in range(3):
            direction = torch.randn(point.shape, generator=generator, dtype=torch.float64)
            step = 1e-6 * direction / direction.norm()
            with torch.no_grad():
                above, below = seeded(exact, point + step), seeded(exact, point - step)
            slope = ((above - below) * weights).sum() / 2e-6
            expected = (gradient * direction / direction.norm()).sum()
            torch.testing.assert_close(slope, expected, atol=1e-5, rtol=1e-4)
    finally:
        frontend.float()


def assert_survives_extremes(frontend: FrontEnd, images: torch.Tensor) -> None:
    """Black, white and gray images, for which many a formula divides by zero."""
    flat = torch.stack([torch.full_like(images[0], value) for value in (0.0, 0.5, 1.0)])
    for name in frontend.backward_modes():
        x = flat.clone().requires_grad_()
        out = frontend.stand_in(name)(x)
        assert out.isfinite().all(), name
        assert torch.autograd.grad(out.sum(), x)[0].isfinite().all(), name


def assert_lower_precision_works_or_is_refused(frontend: FrontEnd, images: torch.Tensor) -> None:
    expected = seeded(frontend, images)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = seeded(frontend, images)
    assert mixed.isfinite().all()
    state = {name: tensor.clone() for name, tensor in frontend.state_dict().items()}
    for dtype in (torch.float16, torch.bfloat16):
        refusal, out = "", expected
        try:
            out = seeded(frontend.to(dtype), images.to(dtype))
        except ValueError as error:
            refusal = str(error)
        frontend.float().load_state_dict(state)
        assert "float32" in refusal or (not refusal and out.dtype == dtype)
        assert out.isfinite().all()
        if frontend.returns_images:  # codes may flip where two are nearly equal
            assert (out.float() - expected).abs().mean() < 0.05


def assert_checkpoint_round_trip(frontend: FrontEnd, images: torch.Tensor) -> None:
    before = seeded(frontend, images).detach()
    state = {name: tensor.clone() for name, tensor in frontend.state_dict().items()}
    with torch.no_grad():
        for tensor in frontend.state_dict().values():
            tensor.zero_()
    frontend.load_state_dict(state)
    assert torch.equal(seeded(frontend, images), before)


@torch.no_grad()
def assert_gpu_agrees(frontend: FrontEnd, images: torch.Tensor) -> None:
    if frontend.randomised:
        pytest.skip("other devices draw other numbers")
    expected = frontend(images)
    torch.testing.assert_close(frontend.cuda()(images.cuda()).cpu(), expected, atol=1e-4, rtol=1e-4)
