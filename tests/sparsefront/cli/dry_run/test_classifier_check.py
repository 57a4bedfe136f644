"""What cannot be trained or attacked is refused before either, in one sentence."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from sparsefront import DefendedClassifier, RobustEvaluation
from sparsefront.attacks import APGDT, PGD, NamedAttack, NoiseControl
from sparsefront.cli.command import main
from sparsefront.cli.dry_run.classifier_check import check_classifier

SHAPE = (1, 28, 28)


class Plain(nn.Module):
    """Batch norm, so that looking at it in training mode would leave a trace."""

    def __init__(self, in_chans: int, num_classes: int):
        super().__init__()
        self.norm, self.drop, self.fc = nn.BatchNorm2d(in_chans), nn.Dropout(), nn.Linear(784 * in_chans, num_classes)

    def forward(self, images):
        return self.fc(self.drop(self.norm(images)).flatten(1))


class Outputs(NamedTuple):
    logits: Tensor
    aux_logits: Tensor


class AuxiliaryNamed(Plain):
    """As torchvision's Inception and GoogLeNet."""

    def forward(self, images):
        logits = super().forward(images)
        return Outputs(logits, -logits) if self.training else logits


class AsDictionary(Plain):
    def forward(self, images):
        return {"logits": super().forward(images), "features": images}


class AuxiliaryTuple(Plain):
    def forward(self, images):
        logits = super().forward(images)
        return (logits, -logits) if self.training else logits


class AlwaysTuple(Plain):
    def forward(self, images):
        return super().forward(images), images


class Nothing(Plain):
    def forward(self, images):
        return None


class MoreInTraining(Plain):
    def forward(self, images):
        logits = super().forward(images)
        return torch.cat([logits, logits], dim=1) if self.training else logits


class FailsInTraining(Plain):
    def forward(self, images):
        if self.training:
            raise RuntimeError("labels are missing")
        return super().forward(images)


def model_of(kind, num_classes=10):
    return DefendedClassifier(kind, image_shape=SHAPE, num_classes=num_classes)


@pytest.mark.parametrize("kind", [Plain, AuxiliaryNamed, AsDictionary])
def test_logits_that_can_be_found_are_trained_on_and_looking_leaves_no_trace(kind):
    model = model_of(kind)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    generator, modes = torch.random.get_rng_state(), [module.training for module in model.modules()]
    check_classifier(model, 10, training=True)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.random.get_rng_state(), generator)
    loss = model.loss(model(torch.rand(4, *SHAPE)), torch.arange(4))
    loss.backward()
    assert model.classifier.fc.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            AuxiliaryTuple,
            "AuxiliaryTuple in training mode must return logits .B, K., one tensor, found tuple of Tensor",
        ),
        (AlwaysTuple, "AlwaysTuple must return logits .B, K., one tensor, found tuple of Tensor, Tensor; return them"),
        (Nothing, "Nothing must return logits .B, K., one tensor, found NoneType"),
        (MoreInTraining, r"must return logits \(2, 10\) for two images in training mode, found \(2, 20\)"),
        (FailsInTraining, r"cannot read images of shape \(1, 28, 28\) in training mode \(labels are missing\)"),
    ],
)
def test_what_returns_something_else_is_refused_before_training(kind, message):
    with pytest.raises(
        ValueError, match=f"`model.classifier` {message}" if "must return logits .B" in message else message
    ):
        check_classifier(model_of(kind), 10, training=True)
    if kind in (AuxiliaryTuple, MoreInTraining, FailsInTraining):
        check_classifier(model_of(kind), 10)  # only evaluated, it is all right


@pytest.mark.parametrize("attack", [PGD(loss="dlr"), NoiseControl(APGDT())])
def test_an_attack_whose_loss_needs_more_classes_is_refused_by_its_name(attack):
    message = (
        "Attack 'mine': `loss` dlr of (PGD needs at least 3|APGDT needs at least 4) classes, found 2; use ce or cw"
    )
    with pytest.raises(ValueError, match=message):
        RobustEvaluation([NamedAttack("mine", attack)]).check(model_of(Plain, 2))


@pytest.mark.filterwarnings("ignore")
def test_the_command_line_says_it_before_training(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    monkeypatch.setattr(
        "sparsefront.classifiers.ConvNet.forward", lambda net, images: (net.head(net.features(images)), images)
    )
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--data", "MNIST5k", "--model.classifier", "ConvNet"])
    assert stop.value.code == 2
    assert "must return logits (B, K), one tensor, found tuple of Tensor, Tensor" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.ckpt"))
