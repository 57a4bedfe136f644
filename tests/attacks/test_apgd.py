import copy

import pytest
import torch
from scipy.optimize import linprog

from sparsefront.attacks import APGD, PGD, perturbation_norm
from sparsefront.attacks.parts.balls import confine
from sparsefront.attacks.parts.losses import adversarial_loss
from tests.helpers.precision import in_single_precision

NORMS = [("Linf", 0.05), ("L2", 0.4), ("L1", 1.0)]
ALL_NORMS = pytest.mark.parametrize(("norm", "eps"), NORMS)


class Spy:
    """A model that remembers the images it was asked for."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def __call__(self, images):
        self.seen.append(images.detach())
        return self.model(images)


def samples(model, count, seed=3):
    """Images that the model gets right, and their labels."""
    images = torch.rand(count, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return images, model(images).argmax(dim=1)


def fooled(model, images, labels):
    with torch.no_grad():
        return model(images).argmax(dim=1) != labels


@pytest.mark.parametrize(("norm", "eps"), [("Linf", 0.03), ("L2", 0.2)])
def test_walks_as_autoattack_does(conv_net, norm, eps):
    """From the same start: the same best images but where a tie of gradients or a first step down parts the ways."""
    rival = pytest.importorskip("pyautoattack.autopgd_base")
    images, labels = samples(conv_net, 40)
    theirs = rival.APGDAttack(conv_net, n_iter=50, norm=norm, eps=eps, seed=0, loss="ce", device="cpu")
    theirs.init_hyperparam(images)
    expected = theirs.attack_single_run(images, labels, x_init=images.clone())[0]
    with torch.no_grad():
        loss = adversarial_loss("ce", labels, targeted=False)
        right = ~fooled(conv_net, expected, labels)
        found = APGD(eps=eps, norm=norm, steps=50, random_start=False)(conv_net, images, labels)
        # A fooling image is preferred here even if another has a higher loss.
        same = (found - expected).abs().flatten(1).amax(dim=1) < 1e-6
        assert same.double().mean() > 0.7
        assert loss(conv_net(found))[right].mean() > loss(conv_net(expected))[right].mean() - 0.01


@in_single_precision("pyautoattack brings images to it")
@pytest.mark.filterwarnings("ignore:there are .* points with zero gradient")
@pytest.mark.parametrize(
    ("norm", "eps", "loss"), [("Linf", 0.02, "ce"), ("Linf", 0.02, "dlr"), ("L2", 0.15, "dlr"), ("L1", 0.7, "ce")]
)
def test_is_as_strong_as_autoattack(conv_net, norm, eps, loss):
    rival = pytest.importorskip("pyautoattack.autopgd_base")
    model, (images, labels) = copy.deepcopy(conv_net).float(), samples(conv_net, 1000)
    images = images.float()
    theirs = rival.APGDAttack(
        model, n_iter=20, norm=norm, eps=eps, seed=0, loss=loss, device="cpu", use_largereps=norm == "L1"
    )
    rate = fooled(model, theirs.perturb(images, labels), labels).double().mean()
    found = APGD(eps=eps, norm=norm, loss=loss, steps=20, early_stop=True)(model, images, labels)
    assert 0.2 < rate < 0.95
    assert fooled(model, found, labels).double().mean() >= rate - 0.005


@ALL_NORMS
def test_finds_higher_losses_than_pgd_of_as_many_steps(conv_net, norm, eps):
    images, labels = samples(conv_net, 60)
    loss = adversarial_loss("ce", labels, targeted=False)
    with torch.no_grad():
        means = [
            loss(conv_net(kind(eps=eps, norm=norm, steps=40)(conv_net, images, labels))).mean() for kind in (APGD, PGD)
        ]
    assert means[0] > 0.99 * means[1]


@pytest.mark.parametrize("loss", ["ce", "cw"])
def test_on_a_linear_model_linf_and_l2_land_on_the_closed_form(loss):
    weights = torch.randn(12, 2, dtype=torch.float64)
    images, labels = 0.3 + 0.4 * torch.rand(5, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1])
    towards = (weights.T[1 - labels] - weights.T[labels]).view_as(images)
    model = lambda x: x.flatten(1) @ weights  # noqa: E731
    found = APGD(eps="8/255", loss=loss)(model, images, labels)
    torch.testing.assert_close(found, images + 8 / 255 * towards.sign())
    found = APGD(eps=0.2, norm="L2", loss=loss)(model, images, labels)
    expected = images + 0.2 * towards / perturbation_norm(towards, "L2").view(-1, 1, 1, 1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_on_a_linear_model_l1_reaches_the_linear_programmes_optimum():
    """The best pixels have little room: what they cannot take goes to the next ones."""
    weights = torch.randn(12, 2, dtype=torch.float64)
    images, labels = torch.rand(6, 3, 2, 2, dtype=torch.float64).round(decimals=1), torch.tensor([0, 1, 1, 0, 1, 0])
    found = APGD(eps=1.5, norm="L1", loss="cw")(lambda x: x.flatten(1) @ weights, images, labels)
    for image, moved, label in zip(images.flatten(1), found.flatten(1), labels, strict=True):
        towards = weights[:, 1 - label] - weights[:, label]
        bounds = [(0, float(room)) for room in torch.cat([1 - image, image])]
        cost = torch.cat([-towards, towards]).numpy()
        best = -linprog(cost, A_ub=[[1.0] * 24], b_ub=[1.5], bounds=bounds).fun
        assert towards @ (moved - image) >= 0.99 * best


@ALL_NORMS
def test_early_stop_is_as_strong_and_asks_less(conv_net, norm, eps):
    images, labels = samples(conv_net, 60)
    asked, rates = [], []
    for early_stop in (False, True):
        spy = Spy(conv_net)
        found = APGD(eps=eps / 2, norm=norm, steps=20, n_restarts=2, early_stop=early_stop)(spy, images, labels)
        rates.append(fooled(conv_net, found, labels))
        asked.append(sum(map(len, spy.seen)))
    assert rates[1].sum() >= rates[0].sum() > 5
    assert asked[1] < 0.9 * asked[0]
    walks = {"Linf": 1, "L2": 1, "L1": 3}[norm]
    assert asked[0] == 60 * 2 * (20 + walks)  # a forward pass a step, and one at the start of every walk


def test_early_stop_returns_a_sample_that_is_wrong_already_as_it_is(conv_net, batch):
    found = APGD(early_stop=True, random_start=False, steps=5)(conv_net, *batch)
    assert torch.equal(found[-1], batch[0][-1])


@ALL_NORMS
def test_targeted_reaches_classes_that_untargeted_need_not(conv_net, norm, eps):
    images, labels = samples(conv_net, 30)
    targets = (labels + 1) % 5
    found = APGD(eps=3 * eps, norm=norm, loss="dlr", steps=30, targeted=True)(conv_net, images, targets)
    with torch.no_grad():
        assert (conv_net(found).argmax(dim=1) == targets).double().mean() > 0.8


def test_an_image_that_fools_is_preferred_to_one_of_higher_loss():
    """One rival wins at 0.6; at 0.97 none does, but thirty together make the cross entropy higher."""

    def model(images):
        x = images[:, 0, 0, 0]
        return torch.stack([0 * x, 0.05 - 10 * (x - 0.6).abs(), *[3 * x - 2.95] * 30], dim=1)

    images, labels = torch.full((1, 1, 1, 1), 0.6), torch.tensor([0])
    spy = Spy(model)
    found = APGD(eps=0.37, steps=20, random_start=False)(spy, images, labels)
    loss = adversarial_loss("ce", labels, targeted=False)
    assert max(loss(model(x)) for x in spy.seen) > loss(model(found)) + 0.5
    assert fooled(model, found, labels).item()


@ALL_NORMS
def test_a_flat_model_moves_nothing_and_breaks_nothing(norm, eps):
    images = torch.rand(3, 1, 4, 4)
    for loss in ("ce", "cw", "dlr"):
        attack = APGD(eps=eps, norm=norm, loss=loss, random_start=False, steps=12)
        assert torch.equal(attack(lambda x: 0 * x.flatten(1)[:, :4], images, torch.tensor([1, 2, 3])), images)


def test_two_classes_do_with_ce_and_cw_and_dlr_says_so():
    images, labels = torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 0])
    two = lambda x: x.flatten(1)[:, :2]  # noqa: E731
    for loss in ("ce", "cw"):
        assert fooled(two, APGD(eps=1.0, loss=loss, steps=10)(two, images, labels), labels).all()
    with pytest.raises(ValueError, match="`loss` dlr needs at least 3 classes, found 2; use ce or cw"):
        APGD(loss="dlr")(two, images, labels)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1, found 0"),
        ({"n_restarts": 0}, "`n_restarts` must be at least 1, found 0"),
        ({"n_restarts": 2, "random_start": False}, "`n_restarts` must be 1 without `random_start`, found 2"),
    ],
)
def test_settings_are_checked_at_construction(settings, message):
    with pytest.raises(ValueError, match=message):
        APGD(**settings)


@ALL_NORMS
def test_the_first_walk_begins_at_the_starts_and_never_leaves_the_ball(conv_net, norm, eps):
    images, labels = samples(conv_net, 20)
    starts = images.flip(0)  # far outside
    spy = Spy(conv_net)
    APGD(eps=eps, norm=norm, steps=10)(spy, images, labels, starts=starts)
    assert torch.equal(spy.seen[0], confine(starts, images, eps, norm))
    assert len(spy.seen) == 11  # one walk, in L1 too
    assert all((perturbation_norm(seen - images, norm) <= eps * (1 + 1e-9)).all() for seen in spy.seen)


@ALL_NORMS
def test_what_it_returns_is_no_worse_than_the_starts(conv_net, norm, eps):
    images, labels = samples(conv_net, 60)
    loss = adversarial_loss("ce", labels, targeted=False)
    starts = APGD(eps=eps, norm=norm, steps=20, seed=1)(conv_net, images, labels)
    attack = APGD(eps=eps, norm=norm, steps=20)
    found = attack(conv_net, images, labels, starts=starts)
    before, after = fooled(conv_net, starts, labels), fooled(conv_net, found, labels)
    assert (after | ~before).all()
    with torch.no_grad():
        risen = loss(conv_net(found)) - loss(conv_net(starts))
    assert (risen[before == after] >= -1e-9).all()
    assert risen[before == after].max() > 1e-3  # and better somewhere


def test_further_restarts_are_random_as_ever(conv_net):
    images, labels = samples(conv_net, 20)
    attack = APGD(eps=0.02, steps=5, n_restarts=2)
    with_starts, without = Spy(conv_net), Spy(conv_net)
    attack(with_starts, images, labels, starts=images)
    attack(without, images, labels)
    assert torch.equal(with_starts.seen[0], images)
    assert all(torch.equal(*pair) for pair in zip(with_starts.seen[6:], without.seen[6:], strict=True))


def test_a_start_that_fools_is_returned_under_early_stop(conv_net):
    images, labels = samples(conv_net, 60)
    attack = APGD(eps=0.03, steps=20, early_stop=True)
    starts = attack(conv_net, images, labels)
    fallen = fooled(conv_net, starts, labels)
    assert fallen.sum() > 5
    assert torch.equal(attack(conv_net, images, labels, starts=starts)[fallen], starts[fallen])
