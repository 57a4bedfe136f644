import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsecode import tikhonov_split


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 9), width=st.integers(1, 9), padding=st.integers(0, 20), lmbda=st.floats(0, 20))
def test_the_low_pass_part_solves_its_normal_equations(height, width, padding, lmbda):
    images = torch.rand(2, 3, height, width, dtype=torch.float64)
    low, high = tikhonov_split(images, lmbda, padding)
    torch.testing.assert_close(low + high, images)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (padding, padding), (padding, padding)), "symmetric")
    tall, wide = padded.shape[-2:]

    def differences(size):  # G^T G of circular differences, as a matrix
        difference = np.roll(np.eye(size), 1, axis=1) - np.eye(size)
        return difference.T @ difference

    system = np.eye(tall * wide) + lmbda * (
        np.kron(differences(tall), np.eye(wide)) + np.kron(np.eye(tall), differences(wide))
    )
    expected = np.linalg.solve(system, padded.reshape(6, -1).T).T.reshape(padded.shape)
    expected = expected[..., padding : tall - padding, padding : wide - padding]
    np.testing.assert_allclose(low.numpy(), expected, atol=1e-9)


def test_the_split_is_sporcos():
    signal = pytest.importorskip("sporco.signal")
    images = torch.rand(2, 3, 21, 17)
    theirs = signal.tikhonov_filter(images.permute(2, 3, 1, 0).numpy(), 5.0, 16)
    for ours, part in zip(tikhonov_split(images, 5.0, 16), theirs, strict=True):
        torch.testing.assert_close(ours, torch.from_numpy(part).permute(3, 2, 0, 1), atol=1e-5, rtol=0)


def test_a_constant_image_is_all_low_pass_and_no_smoothing_leaves_no_high_pass():
    low, high = tikhonov_split(torch.full((1, 1, 8, 5), 0.25))
    torch.testing.assert_close(low, torch.full((1, 1, 8, 5), 0.25))
    assert high.abs().max() < 1e-6
    assert tikhonov_split(torch.rand(1, 3, 6, 7), lmbda=0.0)[1].abs().max() < 1e-6


def test_the_split_is_differentiable_and_takes_half_precision_and_any_layout():
    images = torch.rand(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: tikhonov_split(x, 3.0, 2)[1], images)
    image = torch.rand(1, 3, 8, 8, dtype=torch.float32)
    turned = image.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(tikhonov_split(turned)[0], tikhonov_split(image)[0])
    half = tikhonov_split(image.half())[0]
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), tikhonov_split(image)[0], atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("images", "keywords", "message"),
    [
        (torch.rand(3, 8, 8), {}, "shape"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), {}, "floating"),
        (torch.rand(1, 3, 8, 8), {"lmbda": -1.0}, "at least 0"),
        (torch.rand(1, 3, 8, 8), {"padding": -1}, "at least 0"),
    ],
)
def test_what_makes_no_sense_is_refused(images, keywords, message):
    with pytest.raises(ValueError, match=message):
        tikhonov_split(images, **keywords)
