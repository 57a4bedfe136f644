import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.frontends import MedianFilter


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 7),
    height=st.integers(7, 15),
    width=st.integers(7, 15),
    levels=st.sampled_from([3, 10**6]),  # many ties, or none
    seed=st.integers(0, 99),
)
def test_is_scipys_median_filter(size, height, width, levels, seed):
    images = torch.randint(0, levels, (2, 2, height, width), generator=torch.Generator().manual_seed(seed)) / levels
    expected = scipy.ndimage.median_filter(images.numpy(), size=(1, 1, size, size), mode="reflect")
    assert torch.equal(MedianFilter((2, height, width), size)(images), torch.from_numpy(expected))


def test_gradient_goes_to_the_median_alone():
    image = torch.tensor([[5.0, 1.0, 3.0], [9.0, 4.0, 2.0], [8.0, 7.0, 6.0]]).div(10).view(1, 1, 3, 3).requires_grad_()
    out = MedianFilter((1, 3, 3), 3).stand_in("exact")(image)
    assert out[0, 0, 1, 1] == 0.5
    (gradient,) = torch.autograd.grad(out[0, 0, 1, 1], image)
    assert gradient.flatten().tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0]


def test_equal_medians_share_the_gradient():
    flat = torch.full((1, 1, 5, 5), 0.25, requires_grad=True)
    (gradient,) = torch.autograd.grad(MedianFilter((1, 5, 5), 3)(flat)[0, 0, 2, 2], flat)
    torch.testing.assert_close(gradient[0, 0, 1:4, 1:4], torch.full((3, 3), 1 / 9))
    assert gradient.sum() == pytest.approx(1)


@pytest.mark.parametrize("size", [0, 6])
def test_a_bad_window_is_named(size):
    with pytest.raises(ValueError, match=f"`kernel_size` must be from 1 to the image's smaller side 5, found {size}"):
        MedianFilter((1, 5, 8), size)
