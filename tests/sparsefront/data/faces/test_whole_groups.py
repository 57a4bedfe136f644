from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.data.faces.whole_groups import fill, sums


def by_trying_all(counts, number):
    """Of all choices that add up, the one that takes the first group if it can, then the second, and so on."""
    choices = [
        taken for taken in product((1, 0), repeat=len(counts))
        if sum(count for count, one in zip(counts, taken, strict=True) if one) == number
    ]  # fmt: skip
    return [place for place, one in enumerate(max(choices)) if one] if choices else None


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(0, 30))
@settings(deadline=None, max_examples=150)
def test_groups_add_up_wherever_they_can_and_each_is_taken_in_its_turn(counts, number):
    assert fill(counts, number) == by_trying_all(counts, number)


@given(st.lists(st.integers(1, 9), max_size=8))
@settings(deadline=None, max_examples=50)
def test_sums_are_those_of_all_choices(counts):
    reached = {sum(count for count, one in zip(counts, taken, strict=True) if one)
               for taken in product((1, 0), repeat=len(counts))}  # fmt: skip
    assert {number for number in range(sum(counts) + 2) if sums(counts) >> number & 1} == reached


def test_thousands_of_groups_that_the_first_turns_do_not_fill_take_no_time():
    counts = [6, 10] * 2000 + [1]
    chosen = fill(counts, 10_009)
    assert sum(counts[place] for place in chosen) == 10_009
