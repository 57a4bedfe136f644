"""The form in which adversaries search: the same function, other arithmetic."""

import pytest
import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.attacks import cross_entropy, value_and_gradient
from sparsefront.classifiers import ConvNet, ResNet32, Timm
from sparsefront.evaluation.search_form import search_form
from tests.helpers.precision import in_single_precision

IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([1, 2, 3])


def resnet18(in_chans, num_classes):
    return Timm(in_chans, num_classes, "resnet18", cifar_stem=True)


def warmed_up(classifier):
    """A model whose batch norms have seen images, so that folding them changes numbers."""
    model = DefendedClassifier(classifier, image_shape=(3, 32, 32), num_classes=10)
    for _ in range(3):
        model(torch.rand(8, 3, 32, 32))
    return model.eval()


@pytest.mark.parametrize("classifier", [ResNet32, resnet18, ConvNet])
def test_logits_and_gradients_are_the_models_to_rounding(classifier):
    model = warmed_up(classifier)
    results = [
        value_and_gradient(form.classifier, IMAGES, lambda logits: cross_entropy(logits, LABELS), LABELS)
        for form in (model, search_form(model))
    ]
    for expected, found in zip(*results, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_batch_norms_after_convolutions_are_folded():
    model = warmed_up(resnet18)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in form.modules()) for form in (model, search_form(model))]
    assert norms[0] == 20
    assert norms[1] == 0


class Moody(nn.Module):
    """Code that torch.fx cannot follow."""

    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(in_chans, num_classes, 3), nn.BatchNorm2d(num_classes)

    def forward(self, images):
        maps = self.norm(self.conv(images)).mean(dim=(2, 3))
        return maps if maps.sum() > 0 else 2 * maps


def test_code_that_cannot_be_folded_stays_as_it_is():
    model = warmed_up(Moody)
    torch.testing.assert_close(search_form(model)(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-5)


def test_the_model_keeps_its_classifier_flags_and_memory():
    model = warmed_up(ResNet32)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    classifier = model.classifier
    form = search_form(model)
    assert model.classifier is classifier
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in form.classifier.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@in_single_precision("autocast leaves double as it is")
def test_bfloat16_search_is_near_and_answers_in_single_precision():
    model = warmed_up(ConvNet)
    logits, exact = search_form(model, "bf16")(IMAGES), model(IMAGES)
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, exact)
    torch.testing.assert_close(logits, exact, rtol=0.1, atol=0.1 * exact.abs().max().item())


def test_an_unknown_precision_is_named():
    with pytest.raises(ValueError, match="`precision` must be one of 32, bf16, found 'fp8'"):
        search_form(warmed_up(ConvNet), "fp8")
