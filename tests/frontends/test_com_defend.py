import re

import pytest
import torch
from torch.nn import functional as F

from sparsefront.frontends import ComDefend
from tests.helpers.digits import digits, step_by_step
from tests.helpers.front_end_contract import assert_keeps_the_contract, fitted

SHAPE = (3, 7, 6)
# The authors' convolutions for colour: (filters read, filters written).
COM = [(3, 16), (16, 32), (32, 64), (64, 128), (128, 256), (256, 128), (128, 64), (64, 32), (32, 12)]
REC = [(12, 32), (32, 64), (64, 128), (128, 256), (256, 128), (128, 64), (64, 32), (32, 16), (16, 3)]


def small(**settings):
    """A small one whose weights are its first ones, in double precision."""
    frontend = ComDefend(**{"image_shape": SHAPE, "widths": [4, 8], **settings}).double().eval()
    frontend.learned.fill_(True)
    return frontend


def chain(maps, network):
    """3×3 convolutions with ELU between, from a network's weights."""
    weights = list(network.parameters())
    for i in range(0, len(weights), 2):
        maps = F.conv2d(maps, weights[i], weights[i + 1], padding=1)
        if i < len(weights) - 2:
            maps = torch.where(maps > 0, maps, maps.exp() - 1)
    return maps


def colours(n=3):
    return torch.rand(n, *SHAPE, dtype=torch.float64)


def test_sizes_are_the_published_ones():
    frontend = ComDefend((3, 32, 32))
    for network, table in [(frontend.compression, COM), (frontend.reconstruction, REC)]:
        sizes = [tuple(parameter.shape) for parameter in network.parameters()]
        assert sizes == [size for inputs, outputs in table for size in ((outputs, inputs, 3, 3), (outputs,))]
    assert sum(parameter.numel() for parameter in frontend.parameters()) == 1_566_735


@pytest.mark.parametrize(("shape", "bits"), [((1, 8, 8), 4), ((3, 8, 8), 12)])
def test_the_bits_of_an_image_are_four_a_channel_and_are_bits(shape, bits):
    frontend = small(image_shape=shape)
    seen = []
    frontend.reconstruction.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    for backward in ("exact", "smooth"):
        frontend.stand_in(backward)(torch.rand(2, *shape, dtype=torch.float64))
    assert all(codes.shape == (2, bits, *shape[1:]) for codes in seen)
    assert all(set(codes.unique().tolist()) == {0.0, 1.0} for codes in seen)


def test_is_the_two_chains_with_a_step_between():
    frontend = small()
    images = colours()
    codes = torch.sigmoid(chain(images - 0.5, frontend.compression))
    expected = torch.sigmoid(chain((codes > 0.5).double(), frontend.reconstruction))
    torch.testing.assert_close(frontend(images), expected)


def test_loss_is_the_papers_with_noise_before_the_sigmoid():
    frontend = small(noise=3.0, lmbda=0.7)
    images = colours()
    found = frontend.losses(images, torch.Generator().manual_seed(5))
    drawn = torch.randn(3, 12, 7, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    codes = 1 / (1 + (3.0 * drawn - chain(images - 0.5, frontend.compression)).exp())
    back = 1 / (1 + (-chain(codes, frontend.reconstruction)).exp())
    for image, code, out, value in zip(images, codes, back, found, strict=True):
        expected = (out - image).square().sum() / (3 * 42) + 0.7 * code.square().sum() / (12 * 42)
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize(("settings", "temperature"), [({}, 20.0), ({"temperature": 0.3}, 0.3)])
def test_smooth_gradient_is_that_of_a_sigmoid_in_the_place_of_the_step(settings, temperature):
    frontend = small(noise=20.0)
    x, weights = colours().requires_grad_(), colours()
    (found,) = torch.autograd.grad(frontend.stand_in("smooth", **settings)(x), x, weights)
    codes = frontend.compression(x - 0.5)
    bits = (codes > 0).double().requires_grad_()
    (of_bits,) = torch.autograd.grad(torch.sigmoid(frontend.reconstruction(bits)), bits, weights)
    (expected,) = torch.autograd.grad(torch.sigmoid(codes / temperature), x, of_bits)
    assert found.abs().max() > 0
    torch.testing.assert_close(found, expected)


def test_exact_gradient_is_zero_and_smooth_is_the_default():
    frontend = small()
    x = colours().requires_grad_()
    (gradient,) = torch.autograd.grad(frontend.stand_in("exact")(x).sum(), x)
    assert not gradient.any()
    assert frontend.default_backward == "smooth"


def test_noise_in_use_makes_it_random_in_every_mode_with_one_draw_a_call():
    frontend = small(deployed_noise=1.0).float()
    assert frontend.randomised
    assert not small().randomised
    images = colours().float()
    assert_keeps_the_contract(frontend, images)
    torch.manual_seed(2)
    drawn = torch.randn(3, 12, 7, 6, dtype=torch.float32)
    codes = frontend.compression(images - 0.5) + drawn
    torch.manual_seed(2)
    torch.testing.assert_close(frontend(images), torch.sigmoid(frontend.reconstruction((codes > 0).float())))


def test_learns_to_reconstruct_digits_from_bits():
    learn, unseen = digits()
    frontend = ComDefend((1, 14, 14), widths=[8], learning_rate=0.01)
    losses = step_by_step(frontend, learn[:160])
    frontend.learned.fill_(True)
    assert losses[-1] < 0.3 * losses[0]
    error = (frontend(unseen) - unseen).square().mean()
    assert error < 0.5 * (unseen - unseen.mean(dim=0)).square().mean()  # half of what an image always the same reaches


def test_one_hidden_layer_is_enough():
    frontend = fitted(ComDefend((1, 8, 8), widths=[4], bits_per_channel=1, n_iterations=1), torch.rand(2, 1, 8, 8))
    assert sum(parameter.numel() for parameter in frontend.parameters()) == (9 * 4 + 4) + 2 * (9 * 4 + 1) + (9 * 4 + 4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"bits_per_channel": 0}, "`bits_per_channel` must be at least 1, found 0; the authors' is 4."),
        ({"widths": []}, "`widths` must hold one or more integers of at least 1, found []."),
        ({"widths": [4, 0]}, "`widths` must hold one or more integers of at least 1, found [4, 0]."),
        ({"noise": 0.0}, "`noise` must be positive and finite, found 0; the authors' is 20."),
        ({"lmbda": -1.0}, "`lmbda` must be >= 0 and finite, found -1; the authors' is 1e-4."),
        ({"deployed_noise": -1.0}, "`deployed_noise` must be >= 0 and finite, found -1; 0 leaves it out."),
    ],
)
def test_a_setting_out_of_range_is_named(setting, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ComDefend(SHAPE, **setting)


def test_a_temperature_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"`temperature` must be positive and finite, found 0; the default is φ\."):
        small().stand_in("smooth", temperature=0.0)
