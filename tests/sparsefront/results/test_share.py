import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.results.share import Z95, Share


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_interval_is_that_of_the_published_table(hits, total, low, high):
    assert Share(hits, total).interval == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_ends_solve_the_score_equation_and_enclose_the_share(counts):
    share = Share(*counts)
    for end in share.interval:
        assert (share.value - end) ** 2 == pytest.approx(Z95**2 * end * (1 - end) / share.total, abs=1e-9)
    low, high = share.interval
    assert 0 <= low <= share.value + 1e-12
    assert share.value - 1e-12 <= high <= 1


@pytest.mark.parametrize(("hits", "total", "name"), [(0, 0, "total"), (3, 2, "hits"), (-1, 2, "hits")])
def test_counts_that_are_no_share_are_refused(hits, total, name):
    with pytest.raises(ValueError, match=f"`{name}`"):
        Share(hits, total)
