import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.classifiers.parts.code_reader import CodeReader, common_scale

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4))


@given(size=SIZES)
def test_codes_are_pooled_to_their_mean_over_the_positions(size):
    codes = torch.rand(size, dtype=torch.float64)
    pooled = CodeReader(size[1]).pool(codes)
    assert pooled.shape == size[:2]
    for sample, neuron in np.ndindex(size[:2]):
        assert pooled[sample, neuron].item() == pytest.approx(sum(codes[sample, neuron].flatten().tolist()) / (
            size[2] * size[3]
        ))  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3), (2, 4, 1, 1), (3, 1, 1)])
def test_codes_of_another_shape_are_named(shape):
    with pytest.raises(ValueError, match=r"`codes` must have shape \(B, 3, h, w\), found .* number of neurons"):
        CodeReader(3).pool(torch.rand(shape))


def test_a_reader_of_no_neuron_is_refused():
    with pytest.raises(ValueError, match="`in_chans` must be at least 1, found 0"):
        CodeReader(0)


@given(samples=st.integers(2, 6), neurons=st.integers(2, 6), size=st.sampled_from([1e-3, 1.0, 1e3]))
def test_all_neurons_are_scaled_by_one_mean_and_one_deviation(samples, neurons, size):
    codes = size * torch.rand(samples, neurons, dtype=torch.float64)
    scaled = common_scale(neurons).double()(codes)
    expected = (codes.numpy() - codes.numpy().mean()) / codes.numpy().std()
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-6)


def test_it_has_no_weights_and_uses_in_evaluation_what_it_met_in_training():
    scale = common_scale(3)
    assert list(scale.parameters()) == []
    for _ in range(200):
        scale(torch.tensor([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]))
    mean, deviation = 4.0, np.var([1, 2, 3, 5, 6, 7], ddof=1) ** 0.5
    torch.testing.assert_close(scale.eval()(torch.full((1, 3), 9.0)), torch.full((1, 3), (9 - mean) / deviation))
