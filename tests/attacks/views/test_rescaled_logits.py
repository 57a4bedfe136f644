import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sparsefront.attacks import PGD, NamedAttack, RescaledLogits
from sparsefront.attacks.views.rescaled_logits import standardised
from tests.helpers.planted import Planted


def view_of(function, deviation=3.0):
    """Through the view: a model whose logits are a function of its images' first row of pixels."""

    class Reading(nn.Module):
        def forward(self, images):
            return images[:, 0, 0]

    return RescaledLogits(deviation=deviation)(Planted(change=function).around(Reading()))


def points(rows):
    images = torch.zeros(len(rows), 1, 28, len(rows[0]))
    images[:, 0, 0] = torch.tensor(rows)
    return images.requires_grad_()


def test_logits_have_mean_zero_and_the_deviation_sample_by_sample():
    logits = view_of(lambda z: 1e4 * z - 7)(points([[0.1, 0.5, 0.9], [0.2, 0.3, 0.4]]))
    torch.testing.assert_close(logits.mean(dim=1), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(logits.square().mean(dim=1).sqrt(), torch.full((2,), 3.0))


@given(
    st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=2, max_size=6),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
)
def test_the_order_of_the_classes_stays(values, dtype):
    outputs = torch.tensor([values]).to(dtype).nan_to_num()
    found = standardised(outputs)
    assert found.isfinite().all()
    order = outputs[0].argsort(stable=True)
    assert (found[0, order].diff() >= 0).all()


def test_probabilities_become_their_logarithms():
    z = torch.tensor([[0.0, 2.0, -3.0], [5.0, 1.0, 1.0]])
    torch.testing.assert_close(standardised(z.softmax(dim=1)), standardised(z))
    both = torch.cat([z.softmax(dim=1), z])
    torch.testing.assert_close(standardised(both), torch.cat([standardised(z)] * 2))  # a sample at a time


def test_a_class_without_any_probability_has_no_infinite_logit_or_gradient():
    outputs = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]], requires_grad=True)
    found = standardised(outputs)
    (gradient,) = torch.autograd.grad(found[:, 0].sum(), outputs)
    assert found.isfinite().all()
    assert gradient.isfinite().all()


def test_equal_logits_stay_equal():
    assert torch.equal(standardised(torch.full((2, 3), 7.0)), torch.zeros(2, 3))


def test_the_scale_carries_no_gradient():
    """So the gradient of a difference of logits is parallel to that of the difference before."""
    images = points([[0.1, 0.5, 0.9]])
    logits = view_of(lambda z: 100 * z)(images)
    (gradient,) = torch.autograd.grad(logits[0, 2] - logits[0, 1], images)
    row = gradient[0, 0, 0]
    assert row[2] > 0
    torch.testing.assert_close(row / row[2], torch.tensor([0.0, -1.0, 1.0]))


def test_cross_entropy_has_a_gradient_where_logits_are_saturated():
    images = points([[0.1, 0.5, 0.9]])
    saturated = Planted(change=lambda z: 1e6 * z)
    for logits, zero in ((view_of(saturated.change), False), (lambda x: saturated.change(x[:, 0, 0]), True)):
        loss = nn.functional.cross_entropy(logits(images), torch.tensor([2]))
        (gradient,) = torch.autograd.grad(loss, images)
        assert (gradient.abs().max() == 0) == zero


def test_it_is_as_deployed_as_its_inner_view():
    assert NamedAttack("a", PGD(early_stop=True), RescaledLogits()).knowledge == "white_box"


def test_a_deviation_that_is_none_is_refused():
    with pytest.raises(ValueError, match="`deviation` must be positive and finite, found 0"):
        RescaledLogits(deviation=0)
