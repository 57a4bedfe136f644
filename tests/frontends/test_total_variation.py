import numpy as np
import pytest
import scipy.optimize
import torch
from skimage.restoration import denoise_tv_chambolle

from sparsefront.frontends import TotalVariation


def picture(channels=2, height=14, width=11):
    """Steps and a slope under noise."""
    generator = torch.Generator().manual_seed(0)
    row = torch.arange(height, dtype=torch.float64)[:, None] / height
    column = torch.arange(width, dtype=torch.float64) / width
    clean = 0.3 + 0.4 * ((row > 0.5) ^ (column > 0.3)) + 0.2 * row * column
    noise = 0.05 * torch.randn(1, channels, height, width, generator=generator, dtype=torch.float64)
    return (clean + noise).clamp(0, 1)


def objective(z, x, mask, weight):
    down, across = np.diff(z, axis=0, append=z[-1:]), np.diff(z, axis=1, append=z[:, -1:])
    return 0.5 * (mask * (z - x) ** 2).sum() + weight * np.sqrt(down**2 + across**2).sum()


def total(images, original, mask, weight):
    return sum(
        objective(z.numpy(), x.numpy(), m.numpy(), weight)
        for z, x, m in zip(images[0], original[0], mask[0], strict=True)
    )


def test_with_every_pixel_kept_it_comes_to_chambolles_minimiser():
    x = picture()
    ours = TotalVariation(x.shape[1:], weight=0.1, keep=1.0, n_iterations=1000)(x)
    theirs = denoise_tv_chambolle(x[0].numpy(), weight=0.1, eps=0, max_num_iter=8000, channel_axis=0)
    torch.testing.assert_close(ours[0], torch.from_numpy(theirs), atol=1e-3, rtol=0)
    assert (ours[0] - torch.from_numpy(theirs)).square().mean().sqrt() < 2e-4


@pytest.mark.parametrize("n_iterations", [25, 50, 100])
def test_with_every_pixel_kept_it_is_at_least_as_near_the_minimum_as_chambolle_after_as_many_iterations(n_iterations):
    x, weight = picture(), 0.03
    ours = TotalVariation(x.shape[1:], weight, keep=1.0, n_iterations=n_iterations)(x)
    theirs = denoise_tv_chambolle(x[0].numpy(), weight=weight, eps=0, max_num_iter=n_iterations, channel_axis=0)
    everything = torch.ones_like(x)
    assert total(ours, x, everything, weight) <= total(torch.from_numpy(theirs)[None], x, everything, weight)


def test_with_dropped_pixels_it_comes_to_the_minimum_that_a_general_optimiser_finds():
    x = picture(1, 9, 8)
    weight, mask = 0.05, torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    found = TotalVariation((1, 9, 8), weight, n_iterations=1000).minimise(x, mask)
    pixels, kept = x[0, 0].numpy(), mask[0, 0].double().numpy()

    def smoothed(flat, blur):
        z = torch.tensor(flat, requires_grad=True)
        grid = z.view(9, 8)
        down = torch.cat([grid.diff(dim=0), torch.zeros(1, 8)])
        across = torch.cat([grid.diff(dim=1), torch.zeros(9, 1)], dim=1)
        fidelity = 0.5 * (torch.tensor(kept) * (grid - torch.tensor(pixels)) ** 2).sum()
        value = fidelity + weight * (down**2 + across**2 + blur**2).sqrt().sum()
        value.backward()
        return value.item(), z.grad.numpy()

    best = np.full(72, pixels.mean())
    for blur in (1e-2, 1e-3):
        best = scipy.optimize.minimize(
            smoothed, best, args=(blur,), jac=True, method="L-BFGS-B", options={"maxiter": 600}
        ).x
    rival = objective(best.reshape(9, 8), pixels, kept, weight)
    assert objective(found[0, 0].numpy(), pixels, kept, weight) <= rival * (1 + 1e-5)
    assert objective(found[0, 0].numpy(), pixels, kept, weight) >= rival * (
        1 - 1e-2
    )  # the blur costs the rival a little


def test_after_the_default_iterations_the_objective_is_within_a_hundredth_of_its_minimum():
    x = picture()
    mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    default, long = (TotalVariation(x.shape[1:], n_iterations=n).minimise(x, mask) for n in (100, 1000))
    assert total(default, x, mask, 0.03) <= 1.01 * total(long, x, mask, 0.03)


def test_dropped_pixels_do_not_matter():
    x = picture()
    frontend = TotalVariation(x.shape[1:], n_iterations=20)
    mask = torch.rand(x.shape) < 0.5
    other = torch.where(mask, x, torch.rand(x.shape, dtype=x.dtype))
    assert torch.equal(frontend.minimise(x, mask), frontend.minimise(other, mask))


def test_pixels_are_dropped_one_by_one_with_the_probability_asked_for():
    frontend = TotalVariation((3, 64, 64), keep=0.2, n_iterations=1)
    x = torch.full((4, 3, 64, 64), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(frontend.stand_in("exact")(x).sum(), x)
    kept = gradient != 0
    assert kept.double().mean() == pytest.approx(0.2, abs=0.02)
    assert not torch.equal(kept[:, 0], kept[:, 1])  # each channel by itself
    assert not torch.equal(kept[0], kept[1])


def test_an_image_with_nothing_kept_stays_finite():
    x = picture()
    restored = TotalVariation(x.shape[1:]).minimise(x, torch.zeros_like(x, dtype=torch.bool))
    assert (restored == 0).all()


def test_exact_gradient_through_recomputed_iterations_is_that_through_kept_ones():
    x = picture().requires_grad_()
    frontend = TotalVariation(x.shape[1:], keep=1.0, n_iterations=11)
    weights = torch.rand(x.shape, dtype=x.dtype)
    (ours,) = torch.autograd.grad(frontend(x), x, weights)
    zero, step = torch.zeros_like(x), 8**-0.5
    shrink = torch.full_like(x, 1 / (1 + step))
    plain = frontend._iterate((x, x, zero, zero), step * x / (1 + step), shrink, 11)[0]
    deployed = frontend(x.detach())  # in place
    torch.testing.assert_close(deployed, plain.detach())
    assert torch.equal(frontend(x).detach(), deployed)
    torch.testing.assert_close(ours, torch.autograd.grad(plain, x, weights)[0])


def test_exact_gradient_keeps_neither_every_iteration_nor_computes_all_of_them_again_at_once(monkeypatch):
    lengths, iterate = [], TotalVariation._iterate

    def recorded(self, state, data, shrink, count):
        lengths.append(count)
        return iterate(self, state, data, shrink, count)

    monkeypatch.setattr(TotalVariation, "_iterate", recorded)
    held = {}

    def pack(tensor):
        held[tensor.data_ptr()] = tensor
        return tensor

    x = torch.rand(1, 1, 16, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = TotalVariation((1, 16, 16), keep=1.0, n_iterations=100)(x)
    assert sum(lengths) == 100
    assert max(lengths) == 10  # the square root of all
    assert len(held) < 100
    torch.autograd.grad(out.sum(), x)
    assert sum(lengths) == 200


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"weight": 0.0}, "`weight` must be positive and finite, found 0"),
        ({"weight": float("inf")}, "`weight` must be positive and finite, found inf"),
        ({"keep": 0.0}, "`keep` must be above 0 and at most 1, found 0"),
        ({"keep": 1.1}, "`keep` must be above 0 and at most 1, found 1.1"),
        ({"n_iterations": 0}, "`n_iterations` must be at least 1, found 0"),
    ],
)
def test_a_bad_setting_is_named(settings_, sentence):
    with pytest.raises(ValueError, match=sentence):
        TotalVariation((1, 8, 8), **settings_)
