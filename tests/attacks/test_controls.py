"""Noise as large as a perturbation, perturbations at a wanted size, and the low-pass filter."""

import pytest
import scipy.ndimage
import torch

from sparsefront.attacks import (
    APGD,
    FGSM,
    PGD,
    Boundary,
    GaussianBlurControl,
    GrayBox,
    HopSkipJump,
    NamedAttack,
    NoiseControl,
    Rescaled,
    Square,
    perturbation_norm,
)
from sparsefront.attacks.parts.wrapped_attack import at_size

NORMS = pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
ATTACK = PGD(eps=0.1, steps=3)


@NORMS
@pytest.mark.parametrize("distribution", ["gaussian", "uniform", "sign"])
def test_noise_has_the_norm_of_the_perturbation_sample_by_sample(conv_net, batch, norm, distribution):
    images, labels = batch
    found = NoiseControl(ATTACK, distribution=distribution, norm=norm)(conv_net, images, labels)
    expected = perturbation_norm(ATTACK(conv_net, images, labels) - images, norm)
    torch.testing.assert_close(perturbation_norm(found - images, norm), expected, rtol=1e-5, atol=0)
    assert len(expected.unique()) > 1 or norm == "Linf"


def test_noise_knows_nothing_of_the_perturbations_direction(conv_net, batch):
    images, labels = (part.repeat(20, *[1] * (part.ndim - 1)) for part in batch)
    noise = NoiseControl(ATTACK)(conv_net, images, labels) - images
    delta = ATTACK(conv_net, images, labels) - images
    cosines = (noise * delta).flatten(1).sum(dim=1) / perturbation_norm(noise, "L2") / perturbation_norm(delta, "L2")
    assert cosines.mean().abs() < 4 / (72 * 140) ** 0.5


@pytest.mark.parametrize("distribution", ["gaussian", "uniform", "sign"])
def test_noise_can_have_the_perturbations_moments(distribution):
    """Paper 003: same mean and standard deviation."""
    images, labels = torch.full((3, 3, 64, 64), 0.5), torch.tensor([0, 1, 0])

    def model(images):
        mean = (images * torch.linspace(-1, 2, 64)).mean((1, 2, 3))
        return torch.stack([mean, -mean], dim=1)

    delta = FGSM(eps=0.05)(model, images, labels) - images
    found = NoiseControl(FGSM(eps=0.05), distribution=distribution, match="moments")(model, images, labels) - images
    assert delta.mean((1, 2, 3)).abs().min() > 0.005
    torch.testing.assert_close(found.mean((1, 2, 3)), delta.mean((1, 2, 3)), atol=0.002, rtol=0)
    torch.testing.assert_close(found.flatten(1).std(1), delta.flatten(1).std(1), atol=0, rtol=0.03)
    peak = found.flatten(1).std(1) ** -4 * ((found - found.mean((1, 2, 3), keepdim=True)) ** 4).mean((1, 2, 3))
    kurtosis = {"gaussian": 3.0, "uniform": 1.8, "sign": 1.0}[distribution]
    torch.testing.assert_close(peak, torch.full((3,), kurtosis), atol=0.2, rtol=0)


def test_a_sample_that_the_attack_leaves_alone_gets_no_noise(conv_net, batch):
    images, labels = batch
    for control in (NoiseControl(Square(n_queries=3)), Rescaled(Square(n_queries=3), size=1.0)):
        found = control(conv_net, images, labels)
        assert torch.equal(found[-1], images[-1])
        assert not torch.equal(found[0], images[0])


@NORMS
@pytest.mark.parametrize("wanted", ["2/255", 0.2])
def test_rescaled_perturbations_have_the_wanted_size_after_clipping(conv_net, batch, norm, wanted):
    images = batch[0].clone()
    images[0] = images[0].round()  # half of its pixels cannot move
    found = Rescaled(ATTACK, size=wanted, norm=norm)(conv_net, images, batch[1])
    number = 2 / 255 if wanted == "2/255" else 0.2
    torch.testing.assert_close(
        perturbation_norm(found - images, norm), torch.full((7,), number).double(), rtol=1e-5, atol=0
    )
    before, after = ATTACK(conv_net, images, batch[1]) - images, found - images
    assert ((before * after) >= 0).all()


def test_rescaling_without_clipping_is_a_multiplication(conv_net, batch):
    images = 0.4 + 0.2 * batch[0]
    delta = ATTACK(conv_net, images, batch[1]) - images
    found = Rescaled(ATTACK, size=0.3)(conv_net, images, batch[1]) - images
    torch.testing.assert_close(found, delta * (0.3 / perturbation_norm(delta, "L2"))[:, None, None, None])


def test_rescaled_sizes_can_be_relative_to_the_image(conv_net, batch):
    """Paper 004's dissimilarity."""
    images, labels = batch
    found = Rescaled(ATTACK, size=0.05, relative=True)(conv_net, images, labels)
    torch.testing.assert_close(
        perturbation_norm(found - images, "L2") / perturbation_norm(images, "L2"), torch.full((7,), 0.05).double()
    )


def test_the_rescaled_attack_begins_from_starts_and_noise_from_nowhere(conv_net, batch):
    images, labels = batch
    attack, starts = APGD(eps=0.05, steps=3), (images + 0.04).clamp(0, 1)
    found = Rescaled(attack, size=0.2)(conv_net, images, labels, starts=starts) - images
    delta = attack(conv_net, images, labels, starts=starts) - images
    assert not torch.allclose(delta, attack(conv_net, images, labels) - images)
    torch.testing.assert_close(found, at_size(images, delta, torch.full((7,), 0.2).double(), "L2") - images)
    noise = NoiseControl(attack)
    assert torch.equal(noise(conv_net, images, labels, starts=starts), noise(conv_net, images, labels))


def test_where_the_box_ends_before_the_wanted_size_the_corner_is_returned():
    images = torch.tensor([0.2, 0.9]).view(1, 1, 1, 2)
    delta = torch.tensor([1e-3, -1e-9]).view(1, 1, 1, 2)
    found = at_size(images, delta, torch.tensor([5.0]), "L2")
    torch.testing.assert_close(found.flatten(), torch.tensor([1.0, 0.0]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1.0])
def test_odd_perturbations_stay_finite(dtype, scale):
    images = torch.rand(4, 1, 3, 3).to(dtype)
    found = at_size(
        images, (scale * torch.randn(4, 1, 3, 3)).to(dtype), torch.tensor([0.0, 0.1, 1.0, 9.0]).to(dtype), "L2"
    )
    assert found.isfinite().all()
    assert found.dtype == dtype
    assert torch.equal(found[0], images[0])


def test_the_low_pass_filter_is_scipys():
    images = torch.rand(3, 2, 9, 7, dtype=torch.float64)
    found = GaussianBlurControl(sigma=1.5)(None, images, torch.zeros(3, dtype=torch.int64))
    expected = scipy.ndimage.gaussian_filter(images.numpy(), (0, 0, 1.5, 1.5), mode="nearest", radius=(0, 0, 6, 6))
    torch.testing.assert_close(found, torch.from_numpy(expected))


def test_the_low_pass_filter_keeps_a_constant_image():
    images = torch.stack([torch.full((3, 5, 5), value) for value in (0.0, 0.3, 1.0)])
    torch.testing.assert_close(GaussianBlurControl()(None, images, torch.zeros(3, dtype=torch.int64)), images)


def test_controls_are_called_so_and_a_rescaled_attack_keeps_its_name():
    assert NamedAttack("a", NoiseControl(ATTACK)).knowledge == "control"
    assert NamedAttack("a", GaussianBlurControl()).knowledge == "control"
    assert NamedAttack("a", Rescaled(ATTACK)).knowledge == "white_box"
    assert NamedAttack("a", Rescaled(Square())).knowledge == "black_box"
    assert Rescaled(FGSM()).single_step
    assert not Rescaled(ATTACK).single_step


def test_what_the_inner_attack_needs_the_outer_one_says(conv_net, batch):
    for outer in (NoiseControl, Rescaled):
        attack = outer(Boundary(steps=5))
        assert attack.n_fitting_images == 1000
        with pytest.raises(ValueError, match="call `fitted"):
            attack(conv_net, *batch)
        fitted = attack.fitted(conv_net, torch.rand(50, 2, 6, 6).double(), torch.zeros(50, dtype=torch.int64))
        assert not torch.equal(fitted(conv_net, *batch), batch[0])
        assert outer(HopSkipJump(start="noise", targeted=True)).targeted
        assert outer(HopSkipJump(start="noise")).n_fitting_images == 0
        with pytest.raises(ValueError, match="write `early_stop: false` among the settings of the attack that it runs"):
            NamedAttack("a", outer(PGD(early_stop=True)), GrayBox())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NoiseControl(ATTACK, distribution="laplace"), "`distribution` must be one of gaussian, uniform, sign"),
        (lambda: NoiseControl(ATTACK, match="size"), "`match` must be one of norm, moments"),
        (lambda: NoiseControl(ATTACK, norm="L0"), "`norm` must be one of Linf, L2, L1"),
        (lambda: Rescaled(ATTACK, size=-1), "`size` must be >= 0"),
        (lambda: Rescaled(ATTACK, norm="L0"), "`norm` must be one of Linf, L2, L1"),
        (lambda: GaussianBlurControl(sigma=0.0), "`sigma` must be positive and finite, found 0; it is in pixels"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
