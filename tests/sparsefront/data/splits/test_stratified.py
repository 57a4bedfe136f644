import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.data.splits.stratified import stratified_cut

sets = st.lists(st.integers(0, 6), min_size=1, max_size=80).map(torch.tensor)


@given(sets, st.data())
@settings(deadline=None, max_examples=60)
def test_parts_cover_the_set_once_in_its_own_proportions(labels, data):
    first = data.draw(st.integers(0, len(labels)))
    second = data.draw(st.integers(0, len(labels) - first))
    parts = stratified_cut(labels, [first, second], seed=3)
    assert [len(part) for part in parts] == [first, second, len(labels) - first - second]
    assert sorted(torch.cat(parts).tolist()) == list(range(len(labels)))
    shares = torch.bincount(labels) * first / len(labels)
    assert (torch.bincount(labels[parts[0]], minlength=len(shares)) - shares).abs().max() < 1


def test_the_seed_fixes_the_parts_whatever_the_global_state():
    labels = torch.arange(100) % 7
    torch.manual_seed(1)
    one = stratified_cut(labels, [20, 30], seed=0)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = stratified_cut(labels, [20, 30], seed=0)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    other = stratified_cut(labels, [20, 30], seed=1)
    assert set(other[0].tolist()) != set(one[0].tolist())


def test_parts_stay_as_they_were_when_a_seed_is_given_again():
    # frozen: a change of these numbers would change the test set of every earlier run
    parts = stratified_cut(torch.arange(12) % 3, [3, 3], seed=0)
    assert [part.tolist() for part in parts] == [[0, 7, 8], [9, 4, 5], [1, 2, 3, 6, 10, 11]]


def test_an_earlier_part_does_not_depend_on_a_later_ones_size():
    labels = torch.arange(90) % 4
    assert torch.equal(stratified_cut(labels, [10, 5], 0)[0], stratified_cut(labels, [10, 40], 0)[0])


def test_sizes_beyond_the_set_are_refused():
    with pytest.raises(ValueError, match=r"`sizes` must add up to at most 5, found \[4, 2\]"):
        stratified_cut(torch.zeros(5, dtype=torch.int64), [4, 2], 0)
