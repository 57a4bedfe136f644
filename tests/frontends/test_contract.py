"""The contract itself: front ends that break it in one way each are caught."""

import pytest
import torch

from sparsefront.frontends import CropEnsemble, FrontEnd, PixelDeflection
from tests.helpers.front_end_contract import (
    DrawsOnTheCPU,
    assert_checkpoint_round_trip,
    assert_devices_agree,
    assert_no_dependence_on_batch_mates,
    assert_takes_a_batch_of_none,
)

SHAPE = (3, 8, 9)


class Noisy(FrontEnd):
    """Adds a little noise to what it makes of images."""

    randomised = True

    def forward(self, images):
        return (self.made_of(images) + 0.01 * torch.randn(images.shape, device=images.device)).clamp(0, 1)

    def made_of(self, images):
        return images


class MixesBatchMates(Noisy):
    def made_of(self, images):
        return (images + images.mean()) / 2


class Numbered(Noisy):
    """Another one than the last that was made, and its checkpoint does not say which."""

    made = 0

    def __init__(self, image_shape):
        super().__init__(image_shape)
        Numbered.made += 1
        self.number = Numbered.made

    def made_of(self, images):
        return images / self.number


class Counts(Noisy):
    """Another one in every call, and in one of its gradients alone if told so."""

    calls = 0
    gradient_only = False

    def made_of(self, images):
        self.calls += 1
        slope = 0.9 + 0.01 * self.calls
        return images + (slope - 1) * (images - images.detach()) if self.gradient_only else images * slope


class ReshapesBlindly(FrontEnd):
    def forward(self, images):
        return images.reshape(len(images), 1, -1).reshape(images.shape)


def images():
    return torch.rand(4, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_a_random_front_end_that_mixes_batch_mates_is_caught():
    assert_no_dependence_on_batch_mates(Noisy(SHAPE), images())
    assert_no_dependence_on_batch_mates(CropEnsemble(SHAPE, n_crops=3), images())
    with pytest.raises(AssertionError, match="not close"):
        assert_no_dependence_on_batch_mates(MixesBatchMates(SHAPE), images())


def test_state_outside_the_checkpoint_is_caught():
    assert_checkpoint_round_trip(Noisy(SHAPE), images(), lambda: Noisy(SHAPE))
    with pytest.raises(AssertionError):
        assert_checkpoint_round_trip(Numbered(SHAPE), images(), lambda: Numbered(SHAPE))


def test_a_front_end_that_needs_an_image_is_caught():
    assert_takes_a_batch_of_none(Noisy(SHAPE), images())
    with pytest.raises(RuntimeError, match="ambiguous"):
        assert_takes_a_batch_of_none(ReshapesBlindly(SHAPE), images())


def test_devices_are_compared_in_values_and_in_gradients_of_every_mode():
    frontend = PixelDeflection(SHAPE, n_deflections=5, n_copies=2)
    assert_devices_agree(frontend, images(), "cpu")
    assert_devices_agree(Noisy(SHAPE), images(), "cpu")
    with pytest.raises(AssertionError, match="not close"):
        assert_devices_agree(Counts(SHAPE), images(), "cpu")
    other_gradient = Counts(SHAPE)
    other_gradient.gradient_only = True
    with pytest.raises(AssertionError, match="exact"):
        assert_devices_agree(other_gradient, images(), "cpu")


@pytest.mark.parametrize(
    "draw",
    [
        lambda device: torch.rand(3, device=device),
        lambda device: torch.randn((3,), device=device),
        lambda device: torch.randint(0, 5, size=(3,), device=device),
    ],
)
def test_numbers_for_another_device_are_drawn_on_the_cpu(draw):
    """A device without data stands for one whose numbers are others."""
    torch.manual_seed(0)
    draw("cpu")
    after = torch.get_rng_state()
    torch.manual_seed(0)
    with DrawsOnTheCPU():
        assert draw("meta").device.type == "meta"
    assert torch.equal(torch.get_rng_state(), after)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: torch.rand(3),
        lambda: torch.rand_like(torch.zeros(3)),
        lambda: torch.multinomial(torch.ones(3), 2),
        lambda: torch.bernoulli(input=torch.full((9,), 0.5)),
        lambda: torch.zeros(3).uniform_(2, 3),
        lambda: torch.rand(3, generator=torch.Generator().manual_seed(1)),
    ],
)
def test_numbers_are_those_of_the_same_call(draw):
    torch.manual_seed(0)
    expected = draw()
    torch.manual_seed(0)
    with DrawsOnTheCPU():
        assert torch.equal(draw(), expected)
