import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.frontends.settings import DDLLearning


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("learner", "steps"), [("online", 7), ("batch", 10)])
def test_passes_over_kept_patches_are_steps_too(learner, steps):
    assert DDLLearning(learner=learner, n_iterations=7, n_passes=3).n_steps == steps


def test_without_noise_images_are_learned_from_as_they_are():
    images = torch.rand(2, 1, 4, 4)
    assert DDLLearning(noise="none").with_noise(images, generator()) is images


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    written=st.sampled_from([(0, 0), ("8/255", 8 / 255), (0.3, 0.3), (1, 1)]),
    kind=st.sampled_from(["uniform", "sign"]),
)
def test_noise_moves_pixels_as_far_as_eps_and_never_out_of_the_unit_box(shape, written, kind):
    eps, size = written
    learning = DDLLearning(noise=kind, eps=eps)
    images = torch.rand(shape, dtype=torch.float64)
    noisy = learning.with_noise(images, generator())
    drawn = 2 * torch.rand(shape, generator=generator(), dtype=torch.float64).numpy() - 1
    drawn = np.where(drawn > 0, 1, -1) if kind == "sign" else drawn
    np.testing.assert_allclose(noisy, np.clip(images.numpy() + size * drawn, 0, 1), atol=1e-12)


def test_the_generator_alone_decides_on_the_noise():
    learning, images = DDLLearning(noise="uniform"), torch.full((1, 1, 8, 8), 0.5)
    first, again, other = (learning.with_noise(images, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learner": "greedy"}, "`learner` must be one of online, batch, found 'greedy'"),
        ({"n_iterations": 0}, "`n_iterations` must be at least 1, found 0"),
        ({"n_passes": 0}, "`n_passes` must be at least 1, found 0"),
        ({"patches_per_iteration": 0}, "`patches_per_iteration` must be at least 1, found 0"),
        ({"eps": 1.5}, "`eps` must be from 0 to 1, found 1.5"),
        ({"eps": -0.1}, "`eps` must be >= 0, found -0.1"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    with pytest.raises(ValueError, match=message):
        DDLLearning(**settings)
