"""McNemar's exact test beside scipy's binomial test."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from sparsefront.results.paired_test import PairedTest


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_it_is_the_two_sided_binomial_test_of_the_samples_on_which_the_systems_differ(pairs):
    first, second = np.array(pairs).T
    test = PairedTest.of(first, second)
    differ = test.first_alone + test.second_alone
    assert test.first_alone == sum(a and not b for a, b in pairs)
    assert test.second_alone == sum(b and not a for a, b in pairs)
    expected = binomtest(test.first_alone, differ).pvalue if differ else 1.0
    assert test.p == pytest.approx(expected)
    assert PairedTest.of(second, first).p == test.p
