"""How STL is differentiated."""

import pytest
import torch

from sparsecode import cbpdn, convolve
from sparsefront.attacks import PGD, WhiteBox, margin
from sparsefront.frontends.parts.previous_codes import PreviousCodes
from tests.helpers.small_stl import like, pictures


def slopes(frontend, images, directions):
    """Central differences of each image's sum of squares along its direction."""
    with torch.no_grad():
        above, below = (frontend(images + sign * 1e-6 * directions).square() for sign in (1, -1))
    return (above - below).flatten(1).sum(dim=1) / 2e-6


@pytest.mark.parametrize(("name", "settings"), [("implicit", {}), ("unrolled", {"steps": 200})])
def test_gradients_are_those_of_finite_differences(name, settings):
    frontend = like(tolerance=1e-9, max_iterations=10_000).double()
    images = pictures(2).double()
    assert frontend.coder.assign(images).sum() == 1  # one of each cluster
    x = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(frontend.stand_in(name, tolerance=1e-9, **settings)(x).square().sum(), x)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        directions = torch.randn(images.shape, generator=generator, dtype=torch.float64)
        found = (gradient * directions).flatten(1).sum(dim=1)
        expected = slopes(frontend, images, directions)
        torch.testing.assert_close(found, expected, rtol=1e-2 if name == "unrolled" else 1e-3, atol=1e-3)


def test_the_clusters_are_held_under_the_gradient(monkeypatch):
    """What an image is coded with does not follow the gradient, and neither does it reach the auto-encoder."""
    frontend = like()
    images = pictures(4).requires_grad_()
    found = frontend.coder.assign(images)
    assert not found.requires_grad
    before = torch.autograd.grad(frontend.stand_in("implicit")(images).square().sum(), images)[0]
    monkeypatch.setattr(frontend.coder, "assign", lambda images: found)
    held = torch.autograd.grad(frontend.stand_in("implicit")(images).square().sum(), images)[0]
    assert torch.equal(before, held)


def test_gradients_pass_the_clamp_unless_told_not_to():
    frontend = like(tolerance=1e-5)
    images = (3 * pictures(4) - 1).clamp(0, 1).requires_grad_()
    out = {past: frontend.stand_in("implicit", past_clamp=past)(images) for past in (True, False)}
    assert torch.equal(out[True], out[False])
    clamped = (out[True] == 0) | (out[True] == 1)
    assert clamped.any()
    gradients = {past: torch.autograd.grad(value[clamped].sum(), images)[0] for past, value in out.items()}
    assert gradients[True].any()
    assert not gradients[False].any()


def test_the_models_own_gradient_is_that_of_its_codes():
    frontend = like(tolerance=1e-3)
    images = pictures(4).requires_grad_()
    own = torch.autograd.grad(frontend(images).square().sum(), images)[0]
    named = torch.autograd.grad(frontend.stand_in("implicit", tolerance=1e-3)(images).square().sum(), images)[0]
    torch.testing.assert_close(own, named, atol=1e-4, rtol=1e-3)
    with torch.no_grad():
        assert not frontend(images).requires_grad


@pytest.mark.parametrize("name", ["implicit", "unrolled", "identity"])
def test_a_warm_start_has_the_deployed_value_up_to_tolerance_and_is_not_remembered_by_the_model(name):
    frontend = like(tolerance=1e-4)
    images = pictures(6).requires_grad_()
    deployed = frontend(images).detach()
    warm = frontend.stand_in(name, warm=True)
    assert torch.equal(warm(images).detach(), deployed)  # the first call is cold
    moved = (images + 0.01 * torch.randn(images.shape).sign()).detach().requires_grad_()
    near = warm(moved)
    torch.testing.assert_close(near.detach(), frontend(moved).detach(), atol=1e-3, rtol=0)
    assert torch.autograd.grad(near.sum(), moved)[0].isfinite().all()
    torch.testing.assert_close(warm(moved[[4, 2]]).detach(), frontend(moved[[4, 2]]).detach(), atol=1e-3, rtol=0)
    assert torch.equal(frontend(images).detach(), deployed)
    assert torch.equal(frontend.stand_in(name, warm=True)(images).detach(), deployed)
    assert warm(images[:0]).shape == images[:0].shape


def test_a_warm_start_begins_at_the_codes_of_the_same_image(monkeypatch):
    starts = []
    monkeypatch.setattr(
        "sparsefront.frontends.stl.cluster_coder.cbpdn",
        lambda *args, start, **kwargs: starts.append(start) or cbpdn(*args, start=start, **kwargs),
    )
    frontend, images = like(), pictures(6)
    codes = frontend.encode(images).to_dense()
    clusters = frontend.coder.assign(images)
    warm = frontend.stand_in("identity", warm=True)
    warm(images)
    starts.clear()
    kept = torch.tensor([5, 1, 2])  # fewer images in another order, and one from elsewhere
    warm(torch.cat([images[kept], 1 - images[:1]]))
    begun = torch.cat([start for start in starts if start is not None])
    expected = torch.cat([codes[kept[clusters[kept] == k]] for k in range(2)])
    found = begun[begun.flatten(1).any(dim=1)]
    assert torch.equal(found, expected)


def test_codes_with_a_memory_are_those_of_a_warm_start():
    frontend, images = like(), pictures(6)
    moved = (images + 0.01 * torch.randn(images.shape).sign()).clamp(0, 1)
    memory, warm = PreviousCodes(), frontend.stand_in("identity", warm=True)
    assert torch.equal(frontend.encode(images, memory).to_dense(), frontend.encode(images).to_dense())
    warm(images)
    codes = frontend.encode(moved, memory).to_dense()
    assert not torch.equal(codes, frontend.encode(moved).to_dense())
    clusters, low = frontend.coder.assign(moved), frontend.coder.split(moved)[0]
    whole = [low[n : n + 1] + convolve(codes[n : n + 1], frontend.coder.filters[k]) for n, k in enumerate(clusters)]
    torch.testing.assert_close(torch.cat(whole).clamp(0, 1), warm(moved))


def test_an_adversary_who_starts_warm_finds_what_one_who_starts_cold_does():
    """The verdict is cold; both raise the same loss of a linear read-out by as much."""
    frontend, images, labels = like(), pictures(6), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.randn(images[0].numel(), 3, generator=torch.Generator().manual_seed(0))

    class Model:
        def __init__(self):
            self.frontend, self.classifier = frontend, self.logits_from

        def logits_from(self, seen):
            return seen.flatten(1) @ weights.to(seen)

    model, losses = Model(), []
    for warm in (True, False):
        attack = PGD(eps=0.1, steps=5, loss="cw", random_start=False)
        found = attack(WhiteBox(settings={"warm": warm})(model), images, labels)
        losses.append(margin(model.logits_from(frontend(found)), labels))
    risen = losses[1] - margin(model.logits_from(frontend(images)), labels)
    assert (risen > 0).all()
    assert ((losses[0] - losses[1]).abs() <= 0.02 * risen).all()
