import numpy as np
import pytest
from scipy.stats import binomtest

from sparsefront.evaluation import Samples
from sparsefront.evaluation.majority_baseline import majority_baseline


def samples_of(right, zeros, number):
    """`zeros` of `number` labels are 0, the others 1; the first `right` are told right."""
    label = (np.arange(number) >= zeros).astype(int)
    wrong = np.arange(number) >= right
    return Samples({"index": np.arange(number), "label": label, "clean_pred": np.where(wrong, 1 - label, label)})


@pytest.mark.parametrize("zeros", [15, 20, 30])
def test_it_is_raised_exactly_where_the_interval_reaches_down_to_the_most_frequent_class(zeros):
    for right in range(31):
        low = binomtest(right, 30).proportion_ci(method="wilson").low
        assert majority_baseline(samples_of(right, zeros, 30)).raised == (low <= zeros / 30)


def test_it_says_both_shares():
    sentence = majority_baseline(samples_of(19, 15, 30)).sentence
    assert sentence.startswith("63.3 % of the clean images are right (95 % interval 45.5 to 78.1 %)")
    assert "would be in 50.0 %: what stands" in sentence
    assert majority_baseline(samples_of(99, 10, 100)).sentence.endswith("90.0 %.")
