import math

import pytest
import torch

from sparsefront.attacks.parts.losses import (
    Goal,
    adversarial_loss,
    cross_entropy,
    difference_of_logits_ratio,
    fooled,
    margin,
    targeted_difference_of_logits_ratio,
)

CASES = [(loss, targeted) for loss in ("ce", "cw", "dlr") for targeted in (False, True)]


@pytest.fixture
def logits():
    return 3 * torch.randn(30, 6, dtype=torch.float64)


@pytest.fixture
def labels():
    return torch.randint(6, (30,))


def test_cross_entropy_is_minus_the_log_of_the_labels_share(logits, labels):
    expected = [-math.log(math.exp(z[y]) / sum(map(math.exp, z))) for z, y in zip(logits.tolist(), labels, strict=True)]
    assert cross_entropy(logits, labels).tolist() == pytest.approx(expected)


def test_margin_is_the_best_other_logit_less_the_labels(logits, labels):
    expected = [max(z[:y] + z[y + 1 :]) - z[y] for z, y in zip(logits.tolist(), labels, strict=True)]
    assert margin(logits, labels).tolist() == pytest.approx(expected)


def test_dlr_by_hand():
    """Croce and Hein 2020, equations 6 and 7, with logits that the label leads."""
    logits, label, target = torch.tensor([[1.0, 8.0, 3.0, 5.0, 2.0]]), torch.tensor([1]), torch.tensor([2])
    assert difference_of_logits_ratio(logits, label).item() == pytest.approx(-(8 - 5) / (8 - 3))
    assert targeted_difference_of_logits_ratio(logits, target).item() == pytest.approx(-(8 - 3) / (8 - (3 + 2) / 2))


@pytest.mark.parametrize("targeted", [False, True])
def test_dlr_ignores_shift_and_scale_of_the_logits(logits, labels, targeted):
    loss = adversarial_loss("dlr", labels, targeted)
    torch.testing.assert_close(loss(7 * logits - 2), loss(logits))


@pytest.mark.parametrize(("loss", "targeted"), CASES)
def test_raising_the_loss_leads_the_adversary_to_its_aim(logits, labels, loss, targeted):
    labels = labels if targeted else logits.argmax(dim=1)
    standing = ~fooled(logits, labels, targeted)
    logits, labels = logits[standing], labels[standing]
    assert len(logits) > 20
    raised, function = logits.clone(), adversarial_loss(loss, labels, targeted)
    for _ in range(300):
        point = raised.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(point).sum(), point)
        raised = raised + 0.1 * gradient.sign()
    assert (function(raised) > function(logits)).all()
    assert fooled(raised, labels, targeted).all()


@pytest.mark.parametrize(("loss", "targeted"), CASES)
def test_gradients_are_those_of_finite_differences(logits, labels, loss, targeted):
    assert torch.autograd.gradcheck(adversarial_loss(loss, labels, targeted), logits.requires_grad_())


@pytest.mark.parametrize(("loss", "targeted"), CASES)
def test_equal_logits_give_finite_losses_and_gradients(loss, targeted):
    logits = torch.ones(2, 6, requires_grad=True)
    value = adversarial_loss(loss, torch.tensor([0, 5]), targeted)(logits)
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert value.isfinite().all()
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("targeted", "classes"), [(False, 2), (True, 3)])
def test_dlr_refuses_too_few_classes(targeted, classes):
    loss = adversarial_loss("dlr", torch.tensor([0]), targeted)
    assert loss(torch.randn(1, classes + 1)).isfinite().all()
    with pytest.raises(ValueError, match=f"at least {classes + 1} classes, found {classes}; use ce or cw"):
        loss(torch.randn(1, classes))


def test_fooled_means_off_the_label_or_on_the_target():
    logits = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    assert fooled(logits, torch.tensor([0, 1]), targeted=False).tolist() == [True, False]
    assert fooled(logits, torch.tensor([0, 1]), targeted=True).tolist() == [False, True]


@pytest.mark.parametrize(("loss", "targeted"), CASES)
def test_a_goal_raises_its_loss_and_is_reached_as_the_prediction_says(logits, loss, targeted):
    classes = torch.arange(30) % 6
    goal = Goal(loss, classes, targeted)
    torch.testing.assert_close(goal.losses(logits), adversarial_loss(loss, classes, targeted)(logits))
    assert torch.equal(goal.reached(logits), fooled(logits, classes, targeted))
    assert 0 < goal.reached(logits).sum() < 30


def test_a_goal_with_labels_aims_at_one_class_and_is_reached_by_any_wrong_one():
    logits = torch.tensor([[3.0, 2.0, 1.0, 0.0], [0.0, 3.0, 1.0, 2.0], [0.0, 1.0, 3.0, 2.0]])
    goal = Goal("cw", torch.tensor([2, 2, 2]), targeted=True, labels=torch.tensor([0, 0, 0]))
    assert goal.losses(logits).tolist() == [-2.0, 1.0, 3.0]  # of the target over the label, whoever leads
    dlr = Goal("dlr", goal.classes, targeted=True, labels=goal.labels).losses(logits)
    torch.testing.assert_close(dlr, torch.tensor([-2 / 2.5, 1 / 2.5, 3 / 2.5]))
    assert goal.reached(logits).tolist() == [False, True, True]
    some = goal[torch.tensor([True, False, True])]
    assert some.losses(logits[[0, 2]]).tolist() == [-2.0, 3.0]
    assert some.reached(logits[[0, 2]]).tolist() == [False, True]
