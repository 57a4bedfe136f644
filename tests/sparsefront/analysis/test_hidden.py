import pytest
import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.analysis import indicator, last_hidden, strongest
from sparsefront.classifiers import ConvNet, Timm
from sparsefront.frontends import FrontEnd, Identity

SHAPE = (1, 8, 8)


def defended(classifier, frontend=Identity, shape=SHAPE):
    return DefendedClassifier(classifier, frontend, image_shape=shape, num_classes=3).eval()


def test_a_convolutional_networks_hidden_layer_is_below_its_output():
    model, images = defended(lambda c, k: ConvNet(c, k, width=2, hidden=7)), torch.rand(5, *SHAPE)
    found = last_hidden(model, images)
    head = model.classifier.head
    below = head[2](head[1](head[0](model.classifier.features(images))))
    assert torch.allclose(found.representation, below)
    assert torch.equal(found.weight, head[-1].weight)
    assert torch.equal(found.logits, model(images))


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2_035"])
def test_a_timm_models_hidden_layer_is_what_timm_calls_its_pre_logits(name):
    model, images = defended(lambda c, k: Timm(c, k, model_name=name), shape=(3, 32, 32)), torch.rand(2, 3, 32, 32)
    own = model.classifier.model
    with torch.no_grad():
        below = own.forward_head(own.forward_features(model.classifier.normalize(images)), pre_logits=True)
    assert torch.allclose(last_hidden(model, images).representation, below, atol=1e-6)


class Codes(FrontEnd):
    """Row sums, as a code of 8 channels."""

    out_channels, returns_images = 8, False

    def forward(self, images):
        return images.sum(dim=3).transpose(1, 2)[..., None]


class Readout(nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.out = nn.Linear(in_chans, num_classes)
        self.unused = nn.Linear(5, 5)

    def forward(self, codes):
        return self.out(codes.mean(dim=(2, 3)))


def test_behind_codes_with_a_linear_read_out_it_is_the_code():
    images = torch.rand(4, *SHAPE)
    assert torch.allclose(last_hidden(defended(Readout, Codes), images).representation, images.sum(dim=3)[:, 0])


class Copies(Identity):
    n_copies = 3

    def forward(self, images):
        copies = torch.stack([images, images / 2, images / 4], dim=1)
        return copies.flatten(0, 1)


class Flat(nn.Module):
    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.out = nn.Linear(64 * in_chans, num_classes)

    def forward(self, images):
        return self.out(images.flatten(1))


def test_of_several_copies_it_is_the_mean():
    images = torch.rand(4, *SHAPE)
    assert torch.allclose(
        last_hidden(defended(Flat, Copies), images).representation, images.flatten(1) * 1.75 / 3, atol=1e-6
    )


def test_looking_leaves_no_hooks():
    model = defended(Flat)
    last_hidden(model, torch.rand(2, *SHAPE))
    assert not any(module._forward_pre_hooks for module in model.modules())


class Rows(nn.Module):
    """Reads every row of an image with one linear layer."""

    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.out = nn.Linear(8, num_classes)

    def forward(self, images):
        return self.out(images[:, 0]).mean(dim=1)


@pytest.mark.parametrize(
    ("classifier", "message"),
    [
        (lambda c, k: nn.Sequential(nn.Conv2d(c, k, 8), nn.Flatten()), "must have a linear layer .* found none in Seq"),
        (Rows, r"reads \(2, 8, 8\) in Rows"),
    ],
)
def test_classifiers_without_a_last_linear_map_of_one_vector_are_refused(classifier, message):
    with pytest.raises(ValueError, match=message):
        last_hidden(defended(classifier), torch.rand(2, *SHAPE))


def test_the_indicator_is_the_weight_towards_the_class_less_the_mean_of_the_others():
    weight = torch.tensor([[1.0, 2.0], [5.0, 0.0], [3.0, 4.0]])
    assert indicator(weight, 1).tolist() == [3.0, -3.0]
    assert indicator(weight[:2], 1).tolist() == [4.0, -2.0]
    assert indicator(weight[:1], 1).tolist() == [1.0, 2.0]
    assert strongest(torch.tensor([-9.0, 1.0, 3.0])) == 2
    assert strongest(torch.tensor([0.0, -1.0, 0.0])) == 1  # the one neuron that is read speaks against the class
