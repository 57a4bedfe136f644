"""Gradients that are found again: those of plain differentiation, with nothing kept."""

import gc

import torch

from sparsefront.common.recompute_in_backward import recompute_in_backward


def scaled(x, places, y):
    return (x[places] * y).sin()


def test_gradients_are_those_of_plain_differentiation_of_all_arguments_that_want_one():
    x, places, y = torch.rand(5), torch.tensor([0, 3, 3]), torch.rand(3)
    for wanting in ((x,), (y,), (x, y)):
        leaves = [tensor.clone().requires_grad_(any(tensor is one for one in wanting)) for tensor in (x, y)]
        found, expected = (
            torch.autograd.grad(out.square().sum(), [leaf for leaf in leaves if leaf.requires_grad])
            for out in (
                recompute_in_backward(scaled, leaves[0], places, leaves[1]),
                scaled(leaves[0], places, leaves[1]),
            )
        )
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other)


def test_an_argument_that_is_not_used_gets_no_gradient():
    x, y = torch.rand(3, requires_grad=True), torch.rand(3, requires_grad=True)
    out = recompute_in_backward(lambda x, y: x.exp(), x, y)
    torch.testing.assert_close(torch.autograd.grad(out.sum(), (x, y), allow_unused=True)[0], x.exp())


class Holding(torch.autograd.Function):
    """Holds a tensor of its own beside what is saved."""

    @staticmethod
    def forward(ctx, x):
        ctx.held = x.new_zeros(1, 12345)
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


def test_what_a_function_holds_is_gone_until_the_backward_pass():
    out = recompute_in_backward(Holding.apply, torch.rand(3, requires_grad=True))
    gc.collect()
    assert not [one for one in gc.get_objects() if type(one) is torch.Tensor and one.shape == (1, 12345)]
    out.sum().backward()
