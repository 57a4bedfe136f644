"""Every way of hiding gradients shows, sample by sample; what is plain shows nothing."""

from typing import get_args

import pytest
import torch
from torch import nn

from sparsefront.attacks import PGD, NamedAttack, WhiteBox
from sparsefront.attacks.signs import SIGNS, SeenSigns, Sign
from sparsefront.data.batch import Batch
from tests.helpers.planted import HIDING, PLAIN, network, right_digits
from tests.helpers.precision import in_single_precision

pytestmark = in_single_precision("a softmax that hides a gradient there need not in double")

ZERO = {"zero_gradients", "vanishing", "loss_does_not_rise", "differences_disagree"}
SHOWN = {
    "round": ZERO,
    "detach": ZERO,
    "dead_branch": ZERO,
    "ripple": {"rippled", "differences_disagree"},
    "kink": {"rippled"},
    "saturate": {"zero_gradients", "vanishing", "loss_does_not_rise"},
    "softmax": {"outputs_sum_to_one", "loss_does_not_rise"},
    "one_hot": {"outputs_sum_to_one", "answers_without_scores", "zero_gradients", "loss_does_not_rise"},
    "answer_alone": {"answers_without_scores"},
    "round_logits": ZERO - {"vanishing"},
    "half_detach": {"differences_disagree"},
    "not_a_number": ZERO - {"loss_does_not_rise"},
    "noise": {"draws_differ", "gradient_draws_differ"},
    "switch": {"gradient_draws_differ"},
    "flip": {"gradient_points_down", "loss_does_not_rise", "differences_disagree"},
    "misleading": {"rippled"},
    "faint": {"vanishing"},
    "clip": {"vanishing", "differences_disagree"},
}
CHANCE = 0.05


def shares(planted, net, count=40):
    """The share of the samples that the model gets right that shows each sign."""
    model = planted.around(net)
    images, labels, indices = right_digits(model, count)
    view = WhiteBox()(model)
    return {name: sign(view, images, labels, indices).float().mean().item() for name, sign in SIGNS.items()}


def test_every_sign_has_its_name():
    assert set(SIGNS) == set(get_args(Sign))
    assert all(sign.__name__ == name for name, sign in SIGNS.items())


@pytest.mark.parametrize("name", ["mlp", "convnet"])
@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_model_shows_nothing(kind, name):
    assert max(shares(PLAIN[kind], network(name)).values()) == 0


@pytest.mark.parametrize("name", ["mlp", "convnet"])
@pytest.mark.parametrize("kind", HIDING)
def test_a_model_that_hides_its_gradients_shows_what_it_does(kind, name):
    found = shares(HIDING[kind], network(name))
    assert {sign: share for sign, share in found.items() if sign in SHOWN[kind] and share <= 2 * CHANCE} == {}


@pytest.mark.parametrize("kind", sorted(set(HIDING) - {"noise", "switch"}))
def test_signs_do_not_depend_on_batch_mates(kind):
    model = HIDING[kind].around(network("mlp"))
    images, labels, indices = right_digits(model, 12)
    view = WhiteBox()(model)
    for sign in SIGNS.values():
        whole = sign(view, images, labels, indices)
        parts = [sign(view, images[rows], labels[rows], indices[rows]) for rows in torch.arange(12).split(5)]
        assert torch.equal(whole, torch.cat(parts))


class Steep(nn.Module):
    """A line whose derivative is infinite at black, of one sample the only pixel that counts."""

    def forward(self, images):
        of_first = images.flatten(1)[:, :1].sqrt() + images.flatten(1)[:, 1:].sum(dim=1, keepdim=True)
        return torch.cat([of_first, 1 - of_first], dim=1)


def test_a_gradient_that_is_not_finite_is_a_sign_of_its_own_sample_alone():
    images = torch.full((2, 1, 2, 2), 0.3)
    images[0, 0, 0, 0] = 0
    labels = torch.tensor([0, 0])
    assert SIGNS["zero_gradients"](Steep(), images, labels, torch.arange(2)).tolist() == [True, False]


def test_two_logits_are_no_answers_without_scores():
    images, labels = torch.rand(3, 1, 2, 2), torch.zeros(3, dtype=torch.long)
    assert not SIGNS["answers_without_scores"](Steep(), images, labels, torch.arange(3)).any()


def test_an_attack_is_meant_for_the_samples_that_show_its_sign():
    model = HIDING["saturate"].around(network("mlp"))
    batch = right_digits(model, 8)
    view, every = WhiteBox()(model), torch.ones(8, dtype=torch.bool)
    assert SeenSigns(batch).showing(("zero_gradients",), view, every).all()
    assert not SeenSigns(batch).showing(("gradient_points_down",), view, every).any()
    assert SeenSigns(batch).showing(("gradient_points_down", "zero_gradients"), view, every).all()
    assert SeenSigns(batch).showing((), view, every).all()


def test_a_sign_is_looked_for_once_a_sample(monkeypatch):
    met = []

    def looked_for(model, images, labels, indices):
        met.extend(indices.tolist())
        return labels > 5

    monkeypatch.setitem(SIGNS, "rippled", looked_for)
    batch = Batch(torch.rand(4, 1, 2, 2), torch.tensor([7, 1, 8, 2]), torch.tensor([10, 11, 12, 13]))
    seen = SeenSigns(batch, {"rippled": torch.tensor([torch.nan, torch.nan, torch.nan, 1.0])})
    some = torch.tensor([True, True, False, True])
    assert seen.showing(("rippled",), torch.zeros_like, some).tolist() == [True, False, False, True]
    assert seen.showing(("rippled",), torch.zeros_like, ~some).tolist() == [False, False, True, False]
    assert met == [10, 11, 12]
    assert seen.column("rippled").tolist() == [1, 0, 1, 1]
    assert seen.column("vanishing").isnan().all()


def test_a_sign_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match=r"`where` must be .*zero_gradients.*, found .*'zeros'"):
        NamedAttack("a", PGD(), where=("zeros",))


def test_a_front_end_that_draws_need_not_have_a_derivative_in_every_draw():
    model = HIDING["switch"].around(network("mlp"))
    images, labels, _ = right_digits(model, 4)
    gradients = []
    for _ in range(20):
        point = images.clone().requires_grad_()
        gradients += torch.autograd.grad(WhiteBox()(model)(point).sum(), point)
    largest = torch.stack([gradient.abs().max() for gradient in gradients])
    assert 0 < (largest == 0).sum() < 20
    assert PGD(eps=0.1, steps=3)(WhiteBox()(model), images, labels).shape == images.shape
