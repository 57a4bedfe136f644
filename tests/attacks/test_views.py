from pathlib import Path

import pytest
import torch
from torch import nn

from attacks import FGSM, PGD, GrayBox, Transfer, WhiteBox


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
        return self.classifier(self.frontend(images))

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
