import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.frontends import MagNet
from tests.helpers.digits import digits, step_by_step
from tests.helpers.front_end_contract import fitted


@pytest.mark.parametrize(
    ("channels", "table"),
    [
        # The authors' for digits: 3 filters, pooling, 3 filters, 3 filters, upsampling, 3 filters, 1 filter.
        (1, [(1, 3), (3, 3), (3, 3), (3, 3), (3, 1)]),
        # The authors' for CIFAR-10: 3 filters three times.
        (3, [(3, 3), (3, 3), (3, 3)]),
    ],
)
def test_sizes_are_the_published_ones(channels, table):
    frontend = MagNet((channels, 28, 28))
    sizes = [tuple(parameter.shape) for parameter in frontend.parameters()]
    assert sizes == [size for inputs, outputs in table for size in ((outputs, inputs, 3, 3), (outputs,))]
    assert sum(parameter.numel() for parameter in frontend.parameters()) == {1: 310, 3: 252}[channels]
    assert frontend.noise == {1: 0.1, 3: 0.025}[channels]


def correlate(image, weight, bias):
    """3×3 with zeros around the image, one shift at a time."""
    height, width = image.shape[-2:]
    padded = torch.zeros(image.shape[0], height + 2, width + 2, dtype=image.dtype)
    padded[:, 1:-1, 1:-1] = image
    shifts = [(i, j, padded[:, i : i + height, j : j + width]) for i in range(3) for j in range(3)]
    return sum(torch.einsum("oc,chw->ohw", weight[:, :, i, j], shift) for i, j, shift in shifts) + bias[:, None, None]


def pool(image, by):
    height, width = image.shape[-2:]
    reduce = {"average": lambda block: block.mean(dim=(1, 2)), "max": lambda block: block.amax(dim=(1, 2))}[by]
    rows = [
        torch.stack([reduce(image[:, i : i + 2, j : j + 2]) for j in range(0, width, 2)], dim=-1)
        for i in range(0, height, 2)
    ]
    return torch.stack(rows, dim=-2)


def reconstruct(image, structure, weights, activate):
    """The auto-encoder of one image, layer by layer."""
    height, width = image.shape[-2:]
    weights = list(weights)
    for layer in structure:
        if isinstance(layer, str):
            image = pool(image, layer)
        else:
            image = activate(correlate(image, weights.pop(0), weights.pop(0)))
    for layer in structure[::-1]:
        if isinstance(layer, str):
            image = image.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
        else:
            image = activate(correlate(image, weights.pop(0), weights.pop(0)))
    return torch.sigmoid(correlate(image, weights.pop(0), weights.pop(0)))[:, :height, :width]


@settings(max_examples=20, deadline=None)
@given(
    structure=st.lists(st.sampled_from([2, 3, "average", "max"]), min_size=1, max_size=4).filter(
        lambda layers: any(isinstance(layer, int) for layer in layers)
    ),
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(1, 9), st.integers(1, 9)),
    activation=st.sampled_from(["sigmoid", "relu"]),
)
def test_is_the_auto_encoder_layer_by_layer(structure, shape, activation):
    frontend = MagNet(shape, structure=structure, activation=activation).double()
    frontend.learned.fill_(True)
    images = torch.rand(2, *shape, dtype=torch.float64)
    for image, out in zip(images, frontend(images), strict=True):
        expected = reconstruct(image, structure, frontend.parameters(), getattr(torch, activation))
        torch.testing.assert_close(out, expected)


@pytest.mark.parametrize(("loss", "power"), [("mse", 2), ("mae", 1)])
def test_loss_is_the_error_from_clipped_noise_to_the_clean_image(loss, power):
    shape = (1, 6, 5)
    frontend = MagNet(shape, noise=0.4, loss=loss).double()
    images = torch.rand(3, *shape, dtype=torch.float64)
    found = frontend.losses(images, torch.Generator().manual_seed(5))
    drawn = torch.randn(images.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    for image, z, value in zip(images, drawn, found, strict=True):
        noisy = torch.tensor([min(max(p, 0.0), 1.0) for p in (image + 0.4 * z).flatten().tolist()]).double()
        out = reconstruct(noisy.reshape(shape), [3, "average", 3], frontend.parameters(), torch.sigmoid)
        assert value.item() == pytest.approx((out - image).abs().pow(power).sum().item() / 30, rel=1e-6)


def test_learns_to_reconstruct_digits_and_to_take_noise_away():
    learn, unseen = digits()
    frontend = MagNet((1, 14, 14), structure=[3], noise=0.3, learning_rate=0.02)
    losses = step_by_step(frontend, learn[:150])
    frontend.learned.fill_(True)
    noisy = (unseen + 0.3 * torch.randn(unseen.shape)).clamp(0, 1)
    error, from_noise = ((frontend(seen) - unseen).square().mean() for seen in (unseen, noisy))
    of_the_mean = (unseen - unseen.mean(dim=0)).square().mean()  # what an image that is always the same reaches
    assert losses[-1] < 0.3 * losses[0]
    assert error < 0.5 * of_the_mean
    assert from_noise < 0.8 * (noisy - unseen).square().mean()


def test_exact_and_identity_are_its_modes_and_exact_is_the_default():
    frontend = fitted(MagNet((1, 9, 7), n_iterations=1), torch.rand(2, 1, 9, 7))
    assert set(frontend.backward_modes()) == {"exact", "identity"}
    x = torch.rand(2, 1, 9, 7, requires_grad=True)
    (gradient,) = torch.autograd.grad(frontend.stand_in(frontend.default_backward)(x).sum(), x)
    assert (gradient != 0).all()


STRUCTURE = (
    "`structure` must hold numbers of filters of at least 1, with `average` or `max` for pooling between, found {}; "
    "the authors' are [3, average, 3] and [3]."
)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"structure": []}, STRUCTURE.format("[]")),
        ({"structure": ["max"]}, STRUCTURE.format("['max']")),
        ({"structure": [3, "mean"]}, STRUCTURE.format("[3, 'mean']")),
        ({"structure": [0]}, STRUCTURE.format("[0]")),
        ({"noise": -0.1}, "`noise` must be >= 0 and finite, found -0.1; write it in [0, 1] pixel units, e.g. 0.1."),
        ({"activation": "tanh"}, "`activation` must be one of relu, sigmoid, found 'tanh'."),
        ({"loss": "l1"}, "`loss` must be one of mae, mse, found 'l1'."),
    ],
)
def test_a_setting_out_of_range_is_named(setting, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        MagNet((1, 28, 28), **setting)
