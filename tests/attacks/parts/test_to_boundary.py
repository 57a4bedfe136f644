import pytest
import torch

from sparsefront.attacks.parts.to_boundary import to_boundary


@pytest.mark.parametrize("norm", ["L2", "Linf"])
def test_the_way_to_the_boundary_ends_just_beyond_it(norm):
    def fooled_by(images):
        return images[:, 0, 0, 0] > 0.6

    images = torch.tensor([[0.5, 0.5], [0.1, 0.3]]).view(2, 1, 1, 2)
    far = torch.tensor([[1.0, 0.9], [0.7, 0.0]]).view(2, 1, 1, 2)
    found = to_boundary(fooled_by, images, far, norm, 12)
    first, second = found.flatten(1).T
    reach = (far - images).abs().flatten(1).amax(dim=1)
    assert ((first > 0.6) & (first <= 0.6 + reach / 2**11)).all()
    ways = (far - images).flatten(1)
    other = (first - images.flatten(1)[:, 0]) / ways[:, 0] * ways[:, 1] if norm == "L2" else None
    if norm == "L2":
        torch.testing.assert_close(second, images.flatten(1)[:, 1] + other)
    else:
        bound = first - images.flatten(1)[:, 0]
        clipped = ways[:, 1].clamp(-bound, bound)
        torch.testing.assert_close(second, images.flatten(1)[:, 1] + clipped)
