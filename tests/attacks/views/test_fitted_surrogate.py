import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sparsefront.attacks import PGD, FittedSurrogate, NamedAttack


class Stairs(nn.Module):
    """Blurs, then rounds to 17 levels: no gradient, and a smooth function that it is near to."""

    n_copies = 1

    def __init__(self, returns_images=True):
        super().__init__()
        self.returns_images = returns_images

    def smooth(self, images):
        return F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    def forward(self, images):
        return ((16 * self.smooth(images)).round() / 16).repeat_interleave(self.n_copies, dim=0)


class Defended(nn.Module):
    def __init__(self, frontend):
        super().__init__()
        torch.manual_seed(0)
        self.frontend = frontend
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).requires_grad_(False)

    def forward(self, images):
        return self.logits_from(self.frontend(images))

    def logits_from(self, seen):
        return self.classifier(seen).unflatten(0, (-1, self.frontend.n_copies)).mean(dim=1)


@pytest.fixture
def images():
    return torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def gradient(logits, images):
    point = images.clone().requires_grad_()
    return torch.autograd.grad(logits(point)[:, 0].sum(), point)[0]


def test_has_the_deployed_value_and_nearly_the_gradient_of_what_the_front_end_is_near_to(images):
    model = Defended(Stairs())
    logits = FittedSurrogate(steps=300, width=8).fitted(model, images)(model)
    assert torch.equal(logits(images), model(images))
    assert torch.autograd.grad(model(images.requires_grad_()).sum(), images)[0].abs().max() == 0  # there is none
    expected = gradient(lambda x: model.logits_from(model.frontend.smooth(x)), images.detach())
    cosine = F.cosine_similarity(gradient(logits, images.detach()).flatten(1), expected.flatten(1))
    assert cosine.mean() > 0.9


def test_an_attack_through_it_succeeds_where_the_front_ends_own_derivative_is_blind(images):
    model = Defended(Stairs())
    labels = model(images).argmax(dim=1)
    attack = PGD(eps=0.3, steps=10, early_stop=True, random_start=False)
    through = FittedSurrogate(steps=100, width=8).fitted(model, images)(model)
    fell = model(attack(through, images, labels)).argmax(dim=1) != labels
    blind = model(attack(model, images.detach().requires_grad_().detach(), labels)).argmax(dim=1) != labels
    assert fell.float().mean() > 0.5
    assert blind.float().mean() == 0


def test_copies_of_an_image_share_the_gradient(images):
    frontend = Stairs()
    frontend.n_copies = 3
    model = Defended(frontend)
    logits = FittedSurrogate(steps=5, width=4).fitted(model, images)(model)
    assert torch.equal(logits(images), model(images))
    assert gradient(logits, images).isfinite().all()


def test_the_same_seed_fits_the_same_and_leaves_no_trace(images):
    model = Defended(Stairs())
    state = torch.get_rng_state()
    with torch.inference_mode():
        views = [FittedSurrogate(steps=5, width=4).fitted(model, images) for _ in range(2)]
    assert torch.equal(torch.get_rng_state(), state)
    first, second = (gradient(view(model), images) for view in views)
    assert torch.equal(first, second)
    assert not torch.equal(
        first, gradient(FittedSurrogate(steps=5, width=4, seed=1).fitted(model, images)(model), images)
    )
    assert views[0] == FittedSurrogate(steps=5, width=4)


def test_it_must_be_fitted_before_it_is_asked(images):
    logits = FittedSurrogate()(Defended(Stairs()))  # that it suits the model is known before
    with pytest.raises(ValueError, match="must be fitted first"):
        logits(images)


def test_codes_have_no_surrogate_of_images():
    with pytest.raises(ValueError, match="needs a front end that returns images, found Stairs"):
        FittedSurrogate()(Defended(Stairs(returns_images=False)))


@pytest.mark.parametrize("setting", ["n_fitting_images", "width", "steps", "batch_size"])
def test_settings_out_of_range_are_named(setting):
    with pytest.raises(ValueError, match=f"`{setting}` must be at least 1, found 0"):
        FittedSurrogate(**{setting: 0})


def test_it_may_stop_early_because_its_value_is_the_deployed_models():
    assert NamedAttack("pgd", PGD(early_stop=True), FittedSurrogate()).knowledge == "white_box"
