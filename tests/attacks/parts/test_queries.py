"""Several draws of a model that draws numbers, in one call where it says that it draws for each image."""

import pytest
import torch

from sparsefront import DefendedClassifier
from sparsefront.attacks import PGD, WhiteBox, value_and_gradient
from sparsefront.attacks.parts import queries
from sparsefront.attacks.parts.guarded import guarded
from sparsefront.attacks.parts.queries import draws_of_passes, mean_logits
from sparsefront.classifiers import ConvNet
from sparsefront.frontends import D3, Compose, CropEnsemble, Identity, RandomResizePad, TotalVariation


class Turning:
    """A linear model that multiplies each image's logits by the next of the numbers 1, 2, 3, ..."""

    def __init__(self, weights, draws_each_image):
        self.weights, self.draws_each_image = weights, draws_each_image
        self.drawn, self.calls = 0, []

    def __call__(self, images):
        scales = torch.arange(self.drawn + 1, self.drawn + len(images) + 1, dtype=images.dtype)
        self.drawn += len(images)
        self.calls.append(len(images))
        return images.flatten(1) @ self.weights * scales[:, None]


@pytest.mark.parametrize(
    ("count", "draws_each_image", "calls"),
    [(3, True, [15]), (50, True, [100, 100, 50]), (200, True, [200] * 5), (3, False, [3] * 5)],
)
def test_the_mean_is_over_the_same_draws_however_many_go_through_together(count, draws_each_image, calls, monkeypatch):
    monkeypatch.setattr(queries, "VALUES_AT_ONCE", 128 * 12)
    weights = torch.randn(12, 4, dtype=torch.float64)
    images, labels = torch.rand(count, 3, 2, 2, dtype=torch.float64), torch.arange(count) % 4
    scales = (torch.arange(5 * count, dtype=torch.float64) + 1).view(5, count).mean(dim=0)
    expected = images.flatten(1) @ weights * scales[:, None]

    model = Turning(weights, draws_each_image)
    torch.testing.assert_close(mean_logits(model, images, 5), expected)
    assert model.calls == calls

    def own(logits):
        return logits.gather(1, labels[:, None]).squeeze(1)

    model = Turning(weights, draws_each_image)
    logits, gradient = value_and_gradient(model, images, own, labels, eot_iter=5)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(gradient.flatten(1), weights.T[labels] * scales[:, None])
    assert model.calls == calls


def test_every_draw_is_made_once():
    for count in (0, 1, 7, 64, 65, 1000):
        for eot_iter in (1, 2, 20):
            for said in (True, False):
                for side in (32, 224):
                    images = torch.empty(count, 3, side, side, device="meta")
                    draws = draws_of_passes(Turning(None, said), images, eot_iter)
                    assert sum(draws) == eot_iter
                    assert all(number == 1 or number * count * side**2 <= 128 * 32**2 for number in draws)


def asked_together(frontend):
    """Whether an attack's model of a defended one says that draws may go through together."""
    model = DefendedClassifier(ConvNet, lambda _shape: frontend, image_shape=(1, 28, 28)).eval()
    with guarded(WhiteBox()(model), torch.float32) as asked:
        return len(draws_of_passes(asked, torch.empty(2, 1, 28, 28), 8)) == 1


def test_front_ends_say_whether_they_draw_for_each_image():
    shape = (1, 28, 28)
    assert asked_together(RandomResizePad(shape))
    assert asked_together(TotalVariation(shape))
    assert asked_together(Compose(shape, [RandomResizePad, TotalVariation]))
    assert not asked_together(Identity(shape))
    assert not asked_together(CropEnsemble(shape))  # makes a batch of its copies
    drawing_once = D3(shape, atoms_share=0.5)  # the same atoms for all images of a call
    assert not asked_together(drawing_once)
    assert not asked_together(Compose(shape, [RandomResizePad, lambda _shape: drawing_once]))


def test_attacks_repeat_themselves_from_a_seed():
    model = DefendedClassifier(ConvNet, RandomResizePad, image_shape=(1, 28, 28)).eval()
    images, labels = torch.rand(3, 1, 28, 28), torch.tensor([0, 1, 2])
    found = []
    for _ in range(2):
        torch.manual_seed(5)
        found.append(PGD(eps=0.1, steps=2, eot_iter=4)(WhiteBox()(model), images, labels))
    assert torch.equal(*found)
