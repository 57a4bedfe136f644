"""What every front end must do; `test_front_end_contract.py` calls these for each."""

import warnings
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch.overrides import TorchFunctionMode

from sparsefront.frontends import FrontEnd


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


def assert_keeps_the_contract(
    frontend: FrontEnd, images: torch.Tensor, build: Callable[[], FrontEnd] | None = None
) -> None:
    """Check all of it.

    Args:
        frontend: one that has learned.
        images: at least two.
        build: makes a front end of the same settings that has learned nothing, to be loaded with what `frontend`
            learned; absent: `frontend` itself is emptied and loaded, which misses what it keeps beside its state.
    """
    frontend.eval()
    assert_returns_what_it_says(frontend, images)
    assert_draws_only_if_it_says_so(frontend, images)
    assert_no_dependence_on_batch_mates(frontend, images)
    assert_takes_a_batch_of_none(frontend, images)
    assert_every_backward_mode_has_the_deployed_value(frontend, images)
    assert_identity_hands_gradients_on(frontend, images)
    assert_exact_is_the_derivative(frontend, images)
    assert_survives_extremes(frontend, images)
    assert_lower_precision_works_or_is_refused(frontend, images)
    assert_checkpoint_round_trip(frontend, images, build)


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
    states = random_states()
    first, again = frontend(images), frontend(images)
    assert torch.equal(first, again) != frontend.randomised
    assert all(map(torch.equal, random_states(), states)) != frontend.randomised
    assert torch.equal(seeded(frontend, images), seeded(frontend, images))
    if frontend.randomised and frontend.draws_each_image:
        copies = seeded(frontend, images[:1].repeat(8, 1, 1, 1)).unflatten(0, (8, -1))
        assert any(not torch.equal(copies[0], other) for other in copies[1:])


def random_states() -> list[torch.Tensor]:
    """Of torch's global random numbers, on every device."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]


def assert_no_dependence_on_batch_mates(frontend: FrontEnd, images: torch.Tensor) -> None:
    if frontend.randomised:  # other draws come with other sizes of a batch, so only the mates change
        others = torch.cat([images[:1], images[1:].square()])
        mine = (seeded(frontend, batch)[: frontend.n_copies] for batch in (images, others))
        torch.testing.assert_close(*mine, atol=1e-5, rtol=1e-5)
        return
    apart = torch.cat([frontend(image[None]) for image in images])
    torch.testing.assert_close(frontend(images), apart, atol=1e-5, rtol=1e-5)


def assert_takes_a_batch_of_none(frontend: FrontEnd, images: torch.Tensor) -> None:
    expected = torch.Size([0, *frontend(images).shape[1:]])
    assert frontend(images[:0]).shape == expected
    for name in frontend.backward_modes():
        x = images[:0].clone().requires_grad_()
        out = frontend.stand_in(name)(x)
        assert out.shape == expected, name
        assert torch.autograd.grad(out.sum(), x)[0].shape == x.shape, name


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
        weights = torch.rand(out.shape, generator=generator, dtype=torch.float64).to(out.device)
        (gradient,) = torch.autograd.grad((out * weights).sum(), point)
        for _ in range(3):
            direction = torch.randn(point.shape, generator=generator, dtype=torch.float64).to(out.device)
            step = 1e-6 * direction / direction.norm()
            with torch.no_grad():
                above, below = seeded(exact, point + step), seeded(exact, point - step)
            slope = ((above - below) * weights).sum() / 2e-6
            expected = (gradient * direction / direction.norm()).sum()
            torch.testing.assert_close(slope, expected, atol=1e-5, rtol=1e-4)
    finally:
        frontend.to(images.dtype)


def assert_survives_extremes(frontend: FrontEnd, images: torch.Tensor) -> None:
    """Black, white and gray images, for which many a formula divides by zero."""
    flat = torch.stack([torch.full_like(images[0], value) for value in (0.0, 0.5, 1.0)])
    for name in frontend.backward_modes():
        x = flat.clone().requires_grad_()
        out = frontend.stand_in(name)(x)
        assert out.isfinite().all(), name
        assert torch.autograd.grad(out.sum(), x)[0].isfinite().all(), name


def assert_lower_precision_works_or_is_refused(frontend: FrontEnd, images: torch.Tensor) -> None:
    with torch.autocast(images.device.type, torch.bfloat16):
        mixed = seeded(frontend, images)
    assert mixed.isfinite().all()
    for dtype in (torch.float16, torch.bfloat16):
        assert_half_precision_works_or_is_refused(frontend, images, dtype)


def assert_half_precision_works_or_is_refused(frontend: FrontEnd, images: torch.Tensor, dtype: torch.dtype) -> str:
    """Check it; return the sentence of the refusal, "" where there is none."""
    expected = seeded(frontend, images)
    state = {name: tensor.clone() for name, tensor in frontend.state_dict().items()}
    refusal, out = "", expected
    try:
        out = seeded(frontend.to(dtype), images.to(dtype))
    except ValueError as error:
        refusal = str(error)
    frontend.to(images.dtype).load_state_dict(state)
    assert "float32" in refusal or (not refusal and out.dtype == dtype)
    assert out.isfinite().all()
    if frontend.returns_images:  # codes may flip where two are nearly equal
        assert (out.float() - expected).abs().mean() < 0.05
    return refusal


def assert_checkpoint_round_trip(
    frontend: FrontEnd, images: torch.Tensor, build: Callable[[], FrontEnd] | None = None
) -> None:
    before = seeded(frontend, images).detach()
    state = {name: tensor.clone() for name, tensor in frontend.state_dict().items()}
    again = frontend if build is None else build().eval()
    with torch.no_grad():
        for tensor in again.state_dict().values():
            tensor.zero_()
    again.load_state_dict(state)
    assert torch.equal(seeded(again, images), before)


def assert_devices_agree(frontend: FrontEnd, images: torch.Tensor, device: str) -> None:
    """From the same random numbers come the same values, and the same gradients of every backward mode."""
    for name in frontend.backward_modes():
        (expected, expected_gradient), (found, gradient) = (
            _value_and_gradient(frontend, images, name, where) for where in ("cpu", device)
        )
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
        # Where a derivative jumps, a single entry may be another's: the whole must not be.
        assert (gradient - expected_gradient).norm() <= 1e-3 * expected_gradient.norm(), name


def _value_and_gradient(
    frontend: FrontEnd, images: torch.Tensor, backward: str, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    x = images.to(device, copy=True).requires_grad_()
    try:
        with DrawsOnTheCPU():
            out = seeded(frontend.to(device).stand_in(backward), x)
            weights = torch.rand(out.shape, generator=torch.Generator().manual_seed(0)).to(out)
            (gradient,) = torch.autograd.grad(out, x, weights)
    finally:
        frontend.cpu()
    return out.detach().cpu(), gradient.cpu()


class DrawsOnTheCPU(TorchFunctionMode):
    """Lets torch's global random numbers be those of the CPU, moved to the device that asked: they differ otherwise."""

    NAMES = (
        "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "normal", "multinomial",
        "bernoulli", "poisson", "bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_",
        "random_", "uniform_",
    )  # fmt: skip

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name not in self.NAMES or kwargs.get("generator") is not None:
            return func(*args, **kwargs)
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor)]
        device = kwargs.get("device") or (tensors[0].device if tensors else "cpu")
        if "device" in kwargs:
            kwargs = kwargs | {"device": "cpu"}
        drawn = func(*map(_on_cpu, args), **{key: _on_cpu(value) for key, value in kwargs.items()})
        return tensors[0].copy_(drawn) if name.endswith("_") else drawn.to(device)


def _on_cpu(value):
    return value.cpu() if isinstance(value, torch.Tensor) else value
