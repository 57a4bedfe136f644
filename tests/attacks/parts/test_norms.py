import pytest
import torch

from sparsefront.attacks.parts.norms import perturbation_norm, radii


@pytest.mark.parametrize(("norm", "expected"), [("Linf", 4.0), ("L2", 5.0), ("L1", 7.0)])
def test_the_norm_is_that_of_each_sample(norm, expected):
    delta = torch.tensor([[3.0, -4.0], [0.0, 0.0]]).view(2, 1, 1, 2)
    assert perturbation_norm(delta, norm).tolist() == [expected, 0.0]


@pytest.mark.parametrize(("norm", "own"), [("Linf", 0.8), ("L2", 1.0), ("L1", 1.4)])
def test_radii_are_eps_or_a_multiple_of_the_images_own_norm(norm, own):
    images = torch.tensor([[0.6, 0.8], [0.0, 0.0]], dtype=torch.float64).view(2, 1, 1, 2)
    assert radii(0.25, images, norm).tolist() == [0.25, 0.25]
    torch.testing.assert_close(radii(0.25, images, norm, relative=True).tolist(), [own / 4, 0.0])
    assert radii(0.1, images, norm, relative=True).dtype == torch.float64
    assert radii(0.1, images[:0], norm, relative=True).shape == (0,)


def test_radii_of_a_large_half_precision_image_are_finite():
    images = torch.ones(1, 3, 224, 224, dtype=torch.float16)  # its L1 norm, 150528, is no half-precision number
    assert radii(0.1, images, "L1", relative=True).item() == pytest.approx(15052.8, rel=1e-3)
