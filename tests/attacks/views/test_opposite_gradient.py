import torch

from sparsefront.attacks import PGD, NamedAttack, Neighbourhood, OppositeGradient, WhiteBox
from tests.helpers.planted import PLAIN, network, right_digits


def gradient(logits, images):
    point = images.clone().requires_grad_()
    return torch.autograd.grad(logits(point)[:, 0].sum(), point)[0]


def test_it_has_the_value_and_the_negative_of_the_gradient():
    model = PLAIN["bare"].around(network("mlp"))
    images, _, _ = right_digits(model, 4)
    plain, opposite = WhiteBox()(model), OppositeGradient()(model)
    assert torch.equal(opposite(images), plain(images))
    assert torch.equal(gradient(opposite, images), -gradient(plain, images))


def test_it_stands_around_another_view():
    model = PLAIN["bare"].around(network("mlp"))
    images, _, _ = right_digits(model, 4)
    around = Neighbourhood(radius=0.01, n_samples=3)
    found = gradient(OppositeGradient(around)(model), images)
    torch.testing.assert_close(found, -gradient(around(model), images))
    torch.testing.assert_close(gradient(OppositeGradient(OppositeGradient())(model), images), gradient(model, images))
    assert NamedAttack("a", PGD(early_stop=True), OppositeGradient()).knowledge == "white_box"
