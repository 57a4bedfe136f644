"""What serves against which way of hiding gradients: with it, PGD finds what it finds of the network itself."""

import pytest
import torch

from sparsefront.attacks import PGD, Neighbourhood, OppositeGradient, RescaledLogits, WhiteBox
from tests.helpers.planted import HIDING, PLAIN, network, right_digits
from tests.helpers.precision import in_single_precision

pytestmark = in_single_precision("a softmax that hides a gradient there need not in double")

COUNT = 100
WITHIN = 3  # of them
EPS = {"mlp": 0.05, "convnet": 0.1}
AVERAGED = Neighbourhood(radius=0.005, n_samples=100, mirrored=True)
REMEDIES = {
    "round": WhiteBox("identity"),
    "detach": WhiteBox("identity"),
    "dead_branch": WhiteBox("identity"),
    "clip": WhiteBox("identity"),
    "misleading": WhiteBox("identity"),
    "ripple": AVERAGED,
    "kink": AVERAGED,
    "saturate": RescaledLogits(),
    "softmax": RescaledLogits(),
    "flip": OppositeGradient(),
}
CASES = [(kind, "mlp") for kind in REMEDIES] + [(kind, "convnet") for kind in ("saturate", "softmax", "flip", "round")]


def standing(model, view, batch, eps):
    """How many samples the deployed model still gets right; all of them where there is nothing to differentiate."""
    attack, seen = PGD(eps=eps, steps=20, random_start=False, early_stop=True), view(model)
    differentiable = seen(batch.image.clone().requires_grad_()).requires_grad
    adversarial = attack(seen, *batch) if differentiable else batch.image
    with torch.no_grad():
        return int((model(adversarial).argmax(dim=1) == batch.label).sum())


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_remedy_brings_the_robust_accuracy_down_to_that_of_the_network_itself(kind, name):
    bare, model = (planted.around(network(name)) for planted in (PLAIN["bare"], HIDING[kind]))
    batch = right_digits(bare, COUNT)
    truth = standing(bare, WhiteBox(), batch, EPS[name])
    assert standing(model, REMEDIES[kind], batch, EPS[name]) <= truth + WITHIN
    assert standing(model, WhiteBox(), batch, EPS[name]) > truth + WITHIN


@pytest.mark.parametrize("kind", PLAIN)
def test_a_remedy_that_is_not_needed_finds_no_more_than_an_attack_without(kind):
    """A rescaled or averaged gradient is still one of the same model, so that what it finds is true."""
    model = PLAIN[kind].around(network("mlp"))
    batch = right_digits(model, COUNT)
    truth = standing(model, WhiteBox(), batch, EPS["mlp"])
    for view in (RescaledLogits(), Neighbourhood(radius=0.005, n_samples=10, mirrored=True)):
        assert abs(standing(model, view, batch, EPS["mlp"]) - truth) <= WITHIN
    assert standing(model, OppositeGradient(), batch, EPS["mlp"]) >= COUNT - WITHIN
