import pytest
import torch
from scipy.stats import kstest

from sparsefront.common.noise import _mix, normal, uniform

SHAPE = torch.Size([3, 5, 7])
DRAWS = pytest.mark.parametrize("draw", [uniform, normal])


def test_the_hash_is_splitmix64():
    """The published outputs for the seed 1234567."""
    golden = 0x9E3779B97F4A7C15
    counters = [(1234567 + k * golden) % 2**64 for k in range(5)]
    words = _mix(torch.tensor([c - 2**64 if c >= 2**63 else c for c in counters]))
    expected = [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip
    assert [word % 2**64 for word in words.tolist()] == expected


def test_uniforms_are_uniform_and_in_range():
    found = uniform(torch.arange(400), SHAPE, seed=0, stream=0)
    assert found.shape == (400, *SHAPE)
    assert found.dtype == torch.float32
    assert found.min() >= 0
    assert found.max() < 1
    assert kstest(found.flatten(), "uniform").pvalue > 1e-3


def test_normals_are_normal_and_finite():
    found = normal(torch.arange(400), SHAPE, seed=0, stream=0)
    assert found.isfinite().all()
    assert kstest(found.flatten(), "norm").pvalue > 1e-3


@DRAWS
def test_a_sample_draws_the_same_in_any_batch(draw):
    indices = torch.tensor([5, 0, 123456789012, -7, 5])
    whole = draw(indices, SHAPE, seed=3, stream=2)
    alone = torch.cat([draw(index[None], SHAPE, seed=3, stream=2) for index in indices])
    assert torch.equal(whole, alone)
    assert torch.equal(whole[0], whole[4])


@DRAWS
def test_indices_seeds_streams_and_positions_are_independent(draw):
    index = torch.tensor([0])
    shape = torch.Size([20000])
    fields = torch.cat(
        [draw(index + i, shape, seed=s, stream=t) for i, s, t in
         [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1), (0, 0, -1), (2**40, 0, 0), (0, 2**40, 0)]]
    )  # fmt: skip
    fields = torch.cat([fields, fields[:1].roll(1, dims=1), fields[:1].roll(64, dims=1)])
    correlation = torch.corrcoef(fields.double()) - torch.eye(len(fields))
    assert correlation.abs().max() < 5 / 20000**0.5


def test_positions_of_many_samples_are_independent():
    """Serial correlation along the samples at one position, which one image's field cannot show."""
    found = uniform(torch.arange(20000), torch.Size([4]), seed=0, stream=0).double().T
    correlation = torch.corrcoef(torch.cat([found, found.roll(1, dims=1)])) - torch.eye(8)
    assert correlation.abs().max() < 5 / 20000**0.5


@DRAWS
def test_the_global_generator_is_left_alone(draw):
    before = torch.random.get_rng_state()
    draw(torch.arange(3), SHAPE, seed=0, stream=0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")
def test_every_device_draws_the_same():
    indices = torch.arange(50)
    here, there = (uniform(indices.to(device), SHAPE, seed=1, stream=2).cpu() for device in ("cpu", "cuda"))
    assert torch.equal(here, there)
