"""Groups of settings that hold numbers in their ranges, and do nothing else."""

import pytest

from sparsefront.frontends.settings import D3Learning, RegionSparseLearning, TopTLearning

COUNTS = [
    (D3Learning, "n_iterations"),
    (D3Learning, "patches_per_iteration"),
    (RegionSparseLearning, "n_iterations"),
    (RegionSparseLearning, "patches_per_image"),
    (TopTLearning, "n_iterations"),
    (TopTLearning, "patches_per_iteration"),
]
WEIGHTS = [(RegionSparseLearning, "lmbda"), (RegionSparseLearning, "h"), (TopTLearning, "lmbda")]


@pytest.mark.parametrize(("group", "name"), COUNTS)
def test_a_count_below_1_is_named(group, name):
    assert getattr(group(**{name: 1}), name) == 1
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1, found 0"):
        group(**{name: 0})
    with pytest.raises(ValueError, match=f"`{name}` must be an integer, found 2.5"):
        group(**{name: 2.5})


@pytest.mark.parametrize(("group", "name"), WEIGHTS)
def test_a_weight_that_is_not_positive_is_named(group, name):
    assert getattr(group(**{name: 1e-9}), name) == 1e-9
    with pytest.raises(ValueError, match=f"`{name}` must be positive and finite, found 0"):
        group(**{name: 0})


def test_smoothing_has_a_degree_only_where_it_is_on():
    assert RegionSparseLearning(h="8/255").smoothing_h == 8 / 255
    assert RegionSparseLearning(h="8/255", smoothing=False).smoothing_h is None
