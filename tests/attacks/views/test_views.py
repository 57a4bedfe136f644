from pathlib import Path

import pytest
import torch
from torch import nn

from sparsefront.attacks import FGSM, PGD, GrayBox, NamedAttack, Neighbourhood, Transfer, WhiteBox
from sparsefront.common.noise import uniform
from tests.helpers.precision import DTYPE


class Halve(nn.Module):
    """A made-up front end: its value rounds to tenths, its stand-ins' gradients are known constants."""

    default_backward = "double"

    def __init__(self, returns_images=True):
        super().__init__()
        self.returns_images = returns_images

    def forward(self, images):
        return (10 * images).round() / 10

    def stand_in(self, backward, **settings):
        slopes = {"double": 2.0, "scaled": settings.pop("slope", 1.0)}
        if backward not in slopes or settings:
            raise ValueError(f"no mode {backward!r} with {settings}")
        return lambda x: self(x).detach() + slopes[backward] * (x - x.detach())


class Defended(nn.Module):
    """Front end, then a linear classifier that `load_from_checkpoint` fills from a file of weights."""

    def __init__(self, returns_images=True):
        super().__init__()
        self.frontend, self.classifier = Halve(returns_images), nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

    def forward(self, images):
        return self.logits_from(self.frontend(images))

    def logits_from(self, seen):
        return self.classifier(seen)

    @classmethod
    def load_from_checkpoint(cls, path, map_location):
        other = cls()
        other.load_state_dict(torch.load(path, map_location=map_location, weights_only=True))
        return other.train()


@pytest.fixture
def checkpoint(tmp_path):
    other = Defended()
    torch.save(other.state_dict(), tmp_path / "other.ckpt")
    return str(tmp_path / "other.ckpt"), other


def gradient(function, images):
    point = images.clone().requires_grad_()
    return torch.autograd.grad(function(point)[:, 0].sum(), point)[0]


@pytest.mark.parametrize(
    ("view", "slope"),
    [
        (WhiteBox(), 2.0),
        (WhiteBox("double"), 2.0),
        (WhiteBox("scaled"), 1.0),
        (WhiteBox("scaled", {"slope": 5.0}), 5.0),
    ],
)
def test_white_box_has_the_deployed_value_and_the_stand_ins_gradient(view, slope):
    model, images = Defended(), torch.rand(2, 1, 4, 4)
    logits = view(model)
    torch.testing.assert_close(logits(images), model(images))
    expected = slope * model.classifier[1].weight[0].view(1, 1, 4, 4).expand(2, -1, -1, -1)
    torch.testing.assert_close(gradient(logits, images), expected)
    assert view.is_deployed
    assert view.knowledge == "white_box"


@pytest.mark.parametrize("view", [WhiteBox("exact"), WhiteBox(""), WhiteBox("scaled", {"steepness": 4})])
def test_an_unknown_mode_or_setting_is_the_front_ends_to_refuse(view):
    with pytest.raises(ValueError, match="no mode"):
        view(Defended())


def test_gray_box_sees_the_classifier_alone():
    model, images = Defended(), torch.rand(2, 1, 4, 4)
    logits = GrayBox()(model)
    assert torch.equal(logits(images), model.classifier(images))
    assert not torch.equal(logits(images), model(images))
    assert not GrayBox().is_deployed
    assert GrayBox().knowledge == "gray_box"


def test_gray_box_refuses_a_classifier_of_codes():
    with pytest.raises(ValueError, match="GrayBox needs a front end that returns images, found Halve"):
        GrayBox()(Defended(returns_images=False))


def test_transfer_differentiates_the_other_model(checkpoint):
    path, other = checkpoint
    model, images = Defended(), torch.rand(2, 1, 4, 4)
    logits = Transfer(path)(model)
    assert torch.equal(logits(images), other(images))
    assert not torch.equal(logits(images), model(images))
    torch.testing.assert_close(gradient(logits, images), gradient(WhiteBox()(other), images))
    assert not Transfer(path).is_deployed
    assert Transfer(path).knowledge == "transfer"


def test_transfer_gives_an_evaluating_frozen_model(checkpoint, monkeypatch):
    path, other = checkpoint
    monkeypatch.setattr(Defended, "load_from_checkpoint", lambda *args, **settings: other.train())
    Transfer(path)(Defended())
    assert not any(module.training for module in other.modules())
    assert not any(parameter.requires_grad for parameter in other.parameters())


def test_transfer_works_when_made_in_inference_mode(checkpoint):
    """As in Trainer.validate."""
    path, other = checkpoint
    images, labels = torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    with torch.inference_mode():
        found = PGD(steps=2)(Transfer(path)(Defended()), images, labels)
    assert torch.equal(found, PGD(steps=2)(WhiteBox()(other), images, labels))


def test_transfer_follows_the_images_to_their_device(checkpoint):
    path, _ = checkpoint
    logits = Transfer(path)(Defended())
    assert logits(torch.rand(2, 1, 4, 4, device="meta")).device.type == "meta"


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_transfer_brings_images_to_the_surrogates_precision(checkpoint, dtype):
    path, other = checkpoint
    logits, images = Transfer([path, path])(Defended()), torch.rand(2, 1, 4, 4).to(dtype)
    wide, own = torch.promote_types(dtype, torch.float32), images.to(DTYPE)
    torch.testing.assert_close(logits(images), other(own).to(wide))
    exact = gradient(WhiteBox()(other), own).to(dtype)
    torch.testing.assert_close(gradient(logits, images), exact)
    found = PGD(steps=2)(logits, images, torch.tensor([0, 1]))
    assert found.dtype == dtype
    assert not torch.equal(found, images)


def test_transfer_averages_the_logits_of_several_models(checkpoint, tmp_path):
    path, first = checkpoint
    second = Defended()
    torch.save(second.state_dict(), tmp_path / "second.ckpt")
    view, images = Transfer([path, str(tmp_path / "second.ckpt")]), torch.rand(2, 1, 4, 4)
    logits = view(Defended())
    torch.testing.assert_close(logits(images), (first(images) + second(images)) / 2)
    expected = (gradient(WhiteBox()(first), images) + gradient(WhiteBox()(second), images)) / 2
    torch.testing.assert_close(gradient(logits, images), expected)
    assert view.knowledge == "transfer"
    assert not view.is_deployed


def test_transfer_names_which_of_several_checkpoints_is_missing(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r"found none at .*none.ckpt"):
        Transfer([checkpoint[0], str(tmp_path / "none.ckpt")])(Defended())


@pytest.mark.parametrize("nothing", ["", []])
def test_transfer_needs_a_checkpoint(nothing):
    with pytest.raises(ValueError, match="`checkpoint` of Transfer must name at least one checkpoint, found none"):
        Transfer(nothing)


def test_transfer_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"`checkpoint` of Transfer must name a checkpoint file, found none at .*none"):
        Transfer(str(tmp_path / "none.ckpt"))(Defended())


def test_transfer_names_a_file_that_is_no_checkpoint(tmp_path):
    Path(tmp_path / "junk.ckpt").write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"`checkpoint` of Transfer must be a Defended .* found .*junk.ckpt"):
        Transfer(str(tmp_path / "junk.ckpt"))(Defended())


def test_a_gray_box_attack_need_not_fool_the_deployed_model():
    """Its images are the classifier's adversarial ones, made without the front end."""
    model, images, labels = Defended(), torch.rand(2, 1, 4, 4), torch.tensor([0, 1])
    expected = FGSM(eps=0.1)(model.classifier, images, labels)
    assert torch.equal(FGSM(eps=0.1)(GrayBox()(model), images, labels), expected)


class Curved(nn.Module):
    """A front end and classifier whose Jacobian changes from point to point, and that count their images."""

    def __init__(self):
        super().__init__()
        self.frontend, self.classifier = nn.Identity(), nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.ELU())
        self.frontend.default_backward = "exact"
        self.frontend.stand_in = lambda backward: self.squared
        self.seen = []

    def squared(self, images):
        self.seen.append(len(images))
        return 3 * images.square()

    def forward(self, images):
        return self.logits_from(self.squared(images))

    def logits_from(self, seen):
        return self.classifier(seen)


def test_a_neighbourhood_has_the_inner_views_value_and_the_mean_gradient_of_its_points():
    model, images = Curved().double(), torch.rand(3, 1, 4, 4, dtype=torch.float64)
    images[0] = 0  # half of its points would lie outside of the box
    weights = torch.randn(3, 6, dtype=torch.float64)
    logits = Neighbourhood(radius=0.2, n_samples=7, seed=4)(model)
    point = images.clone().requires_grad_()
    value = logits(point)
    assert torch.equal(value, model(images))
    (found,) = torch.autograd.grad(value, point, weights)
    draws = uniform(torch.arange(7), torch.Size([1, 4, 4]), seed=4, stream=-3).double()
    gradients = []
    for offset in 0.2 * (2 * draws - 1):
        near = (images + offset).clamp(0, 1).requires_grad_()
        gradients += torch.autograd.grad(model(near), near, weights)
    torch.testing.assert_close(found, torch.stack(gradients).mean(dim=0))
    assert (found - torch.autograd.grad(model(point), point, weights)[0]).abs().max() > 1e-2


def test_a_neighbourhood_may_move_a_pixel_the_other_way_where_it_would_leave_the_range():
    model, images = Curved().double(), torch.rand(3, 1, 4, 4, dtype=torch.float64)
    images[0], images[1] = 0, 1
    weights = torch.randn(3, 6, dtype=torch.float64)
    point = images.clone().requires_grad_()
    logits = Neighbourhood(radius=0.2, n_samples=7, seed=4, mirrored=True)(model)
    (found,) = torch.autograd.grad(logits(point), point, weights)
    draws = uniform(torch.arange(7), torch.Size([1, 4, 4]), seed=4, stream=-3).double()
    gradients = []
    for offset in 0.2 * (2 * draws - 1):
        leaves = ((images + offset) < 0) | ((images + offset) > 1)
        near = (images + offset * (1 - 2 * leaves.double())).requires_grad_()
        gradients += torch.autograd.grad(model(near), near, weights)
    torch.testing.assert_close(found, torch.stack(gradients).mean(dim=0))


def test_a_neighbourhood_without_a_radius_is_the_inner_view():
    model, images = Curved(), torch.rand(2, 1, 4, 4)
    expected, found = (gradient(view(model), images) for view in (WhiteBox(), Neighbourhood(radius=0, n_samples=3)))
    torch.testing.assert_close(found, expected)


def test_a_neighbourhood_is_as_deployed_and_as_knowing_as_its_inner_view():
    assert Neighbourhood().is_deployed
    assert Neighbourhood().knowledge == "white_box"
    assert not Neighbourhood(GrayBox()).is_deployed
    assert Neighbourhood(GrayBox()).knowledge == "gray_box"
    with pytest.raises(ValueError, match="`attack` 'a' must not stop early with view Neighbourhood"):
        NamedAttack("a", PGD(early_stop=True), Neighbourhood(GrayBox()))
    assert NamedAttack("a", PGD(early_stop=True), Neighbourhood())


def test_a_neighbourhoods_gradient_does_not_depend_on_batch_mates():
    model, images = Curved().double(), torch.rand(200, 1, 4, 4, dtype=torch.float64)
    logits = Neighbourhood(radius=0.1, n_samples=5)(model)
    together = gradient(logits, images)
    torch.testing.assert_close(together[[7, 150]], gradient(logits, images[[7, 150]]), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("count", "largest"), [(1, 50), (3, 126), (128, 128), (200, 200)])
def test_a_neighbourhood_asks_of_the_model_no_more_at_once_than_a_batch(count, largest):
    model = Curved()
    gradient(Neighbourhood(n_samples=50)(model), torch.rand(count, 1, 4, 4))
    assert model.seen[0] == count
    assert max(model.seen) == largest
    assert sum(model.seen) == count * 51


def test_a_neighbourhood_helps_over_a_step_in_the_value():
    """Rounding to tenths has no gradient of its own; the mean of the exact model's slopes still says where to go."""

    class Stairs(Curved):
        def squared(self, images):
            return images + (10 * torch.pi * 2 * images).sin() / 20  # slopes down on the far side of every step

    model, images = Stairs(), torch.full((1, 1, 4, 4), 0.55)
    model.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    model.classifier[1].weight.data = torch.tensor([[1.0] * 16, [-1.0] * 16])
    wrong, smoothed = (gradient(view(model), images) for view in (WhiteBox(), Neighbourhood(radius=0.1)))
    assert (wrong < 0).all()
    assert (smoothed > 0).double().mean() == 1.0


def test_a_neighbourhood_of_a_view_without_a_gradient_is_named():
    model = Curved()
    model.frontend.stand_in = lambda backward: lambda images: images.detach()
    with pytest.raises(ValueError, match="`model` must be differentiable"):
        FGSM()(Neighbourhood()(model), torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))


def test_a_neighbourhoods_settings_are_checked():
    with pytest.raises(ValueError, match="`n_samples` must be at least 1, found 0"):
        Neighbourhood(n_samples=0)
    with pytest.raises(ValueError, match=r"`radius` must be >= 0, found -0.1"):
        Neighbourhood(radius=-0.1)


class OneHasNone(nn.Module):
    """A linear model whose gradient is not a number for samples with a white first pixel."""

    def __init__(self):
        super().__init__()
        self.frontend = Halve()
        self.logits_from = self.forward

    def forward(self, images):
        if images.requires_grad:
            none = images[:, :, :1, :1].detach() == 1
            images = images.clone()
            images.register_hook(lambda gradient: torch.where(none, torch.nan, gradient))
        total = images.flatten(1).sum(dim=1)
        return torch.stack([total, -total], dim=1)


def test_a_sample_without_a_gradient_keeps_none_from_its_mates():
    images = torch.full((2, 1, 2, 2), 0.5)
    images[0, 0, 0, 0] = 1
    labels, attack = torch.tensor([0, 0]), PGD(eps=0.1, steps=2, random_start=False)
    with pytest.raises(ValueError, match="must be finite"):
        attack(WhiteBox()(OneHasNone()), images, labels)
    adversarial = attack(WhiteBox(zero_where_none=True)(OneHasNone()), images, labels)
    assert torch.equal(adversarial[0], images[0])
    assert (adversarial[1] < images[1]).all()


def test_a_model_without_a_graph_is_attacked_to_no_effect():
    model = OneHasNone()
    model.logits_from = lambda images: model.forward(images).detach()
    images = torch.full((2, 1, 2, 2), 0.5)
    attack = PGD(eps=0.1, steps=2, random_start=False)
    assert torch.equal(attack(WhiteBox(zero_where_none=True)(model), images, torch.tensor([0, 0])), images)


@pytest.mark.parametrize(
    ("view", "cold"),
    [
        (WhiteBox("double", {"warm": True, "slope": 1.0}, True), WhiteBox("double", {"slope": 1.0}, True)),
        (WhiteBox(), WhiteBox()),
        (Neighbourhood(WhiteBox(settings={"warm": True}), 0.1), Neighbourhood(WhiteBox(), 0.1)),
        (GrayBox(), GrayBox()),
    ],
)
def test_a_cold_view_starts_no_call_from_the_one_before_and_is_the_same_otherwise(view, cold):
    assert view.cold() == cold
