import pytest
import torch

from sparsefront.frontends import BitDepth

SHAPE = (1, 4, 5)


@pytest.mark.parametrize("bits", [1, 3, 5, 8])
def test_pixels_go_to_the_nearest_of_2_to_the_b_levels(bits):
    images = torch.rand(2, *SHAPE, dtype=torch.float64)
    levels = [k / (2**bits - 1) for k in range(2**bits)]
    nearest = [min(levels, key=lambda level: abs(level - x)) for x in images.flatten().tolist()]
    torch.testing.assert_close(BitDepth(SHAPE, bits)(images).flatten(), torch.tensor(nearest, dtype=torch.float64))


def test_eight_bits_change_no_stored_image():
    stored = torch.arange(256).view(1, 1, 16, 16) / 255
    assert torch.equal(BitDepth((1, 16, 16), 8)(stored), stored)


def test_smooth_gradient_is_the_cubic_of_shin_and_song():
    x = torch.tensor([0.0, 0.2, 0.5, 0.9], dtype=torch.float64).view(1, 1, 1, 4).requires_grad_()
    (gradient,) = torch.autograd.grad(BitDepth((1, 1, 4), 2).stand_in("smooth")(x).sum(), x)
    # 3 x = 0, 0.6, 1.5 and 2.7 are 0, 0.4, 0.5 and 0.3 from their integers.
    torch.testing.assert_close(gradient.flatten().tolist(), [3 * d**2 for d in (0.0, 0.4, 0.5, 0.3)])


def test_exact_gradient_is_zero():
    x = torch.rand(2, *SHAPE, requires_grad=True)
    assert (torch.autograd.grad(BitDepth(SHAPE).stand_in("exact")(x).sum(), x)[0] == 0).all()


@pytest.mark.parametrize("bits", [0, 9])
def test_a_bad_number_of_bits_is_named(bits):
    with pytest.raises(ValueError, match=f"`bits` must be from 1 to 8, found {bits}"):
        BitDepth(SHAPE, bits)
