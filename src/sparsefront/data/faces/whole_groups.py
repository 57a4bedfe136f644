"""Choose whole groups whose sizes add up to a number."""

from collections.abc import Sequence
from itertools import accumulate


def fill(counts: Sequence[int], number: int) -> list[int] | None:
    """Choose groups that hold `number` together: each in its turn, if the later ones can still make up the rest.

    Args:
        counts: size >= 1 of each group, in the order of their turns.
        number: what the chosen ones must add up to.

    Returns:
        Their places in `counts`, ascending; None where no choice adds up.
    """
    chosen, left = [], number
    for place, count in enumerate(counts):
        if count <= left:
            chosen.append(place)
            left -= count
    if left == 0:
        return chosen  # as a rule there are small groups enough, and it takes no table
    # Subset sums: bit s of the set for place i says whether groups i, i + 1, ... can add up to s.
    within = (1 << number + 1) - 1
    reach = list(accumulate(reversed(counts), lambda sums, count: (sums | sums << count) & within, initial=1))[::-1]
    if not reach[0] >> number & 1:
        return None
    chosen, left = [], number
    for place, count in enumerate(counts):
        if count <= left and reach[place + 1] >> (left - count) & 1:
            chosen.append(place)
            left -= count
    return chosen


def sums(counts: Sequence[int]) -> int:
    """What groups can add up to: bit s of the result is set where some of them hold s together.

    Args:
        counts: size of each group.
    """
    reached = 1
    for count in counts:
        reached |= reached << count
    return reached
