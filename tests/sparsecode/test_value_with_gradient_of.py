import torch

from sparsecode.value_with_gradient_of import value_with_gradient_of


def test_has_the_one_value_bit_for_bit_and_the_other_gradient():
    x = (torch.rand(100) * 1e15).requires_grad_()
    value = torch.rand(100)
    out = value_with_gradient_of(3 * x, value)
    assert torch.equal(out, value)
    assert torch.equal(torch.autograd.grad(out.sum(), x)[0], torch.full((100,), 3.0))
