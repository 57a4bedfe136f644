import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.frontends.parts.blockwise_topk import blockwise_topk


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(0, 4), length=st.integers(1, 400), k=st.integers(1, 12), seed=st.integers(0, 10**6))
def test_finds_the_values_that_sorting_everything_finds_and_their_places(rows, length, k, seed):
    k = min(k, length)
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(-50, 50, (rows, length), generator=generator).float()  # with ties
    values, places = blockwise_topk(numbers, k)
    torch.testing.assert_close(values, numbers.sort(dim=1, descending=True).values[:, :k], rtol=0, atol=0)
    torch.testing.assert_close(numbers.gather(1, places), values, rtol=0, atol=0)
    assert all(len(set(row)) == k for row in places.tolist())
