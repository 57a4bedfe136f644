"""Cut the pictures of one person and of others into parts."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.data.faces.whole_groups import fill, sums
from sparsefront.data.splits.parts import PartName
from sparsefront.data.splits.sizes import image_count


@dataclass(frozen=True)
class FaceParts:
    """Cut the holdout, then validation, by the seed alone.

    The holdout takes `holdout` pictures of each class, validation those left in their own proportions, training what
    is left then. Pictures of the person looked for are drawn one by one, the others' in whole groups: everybody in
    their turn, which the seed draws, if the exact number can still be reached.

    Args:
        holdout: test pictures of each class.
        val_size: validation pictures: an integer counts them, a float is a fraction of all.
        seed: fixes every draw.
    """

    holdout: int
    val_size: int | float
    seed: int

    def check_room(self, others: int, positives: int) -> None:
        """Raise a ValueError unless every part gets its pictures and training at least one of each class."""
        val = image_count(self.val_size, others + positives)
        if _leaves(self.holdout, val, others, positives):
            return
        counts = (
            f"found {positives:,} pictures of the positive and {others:,} of others with holdout: {self.holdout} and"
            f" val_size: {self.val_size}"
        )
        if _leaves(self.holdout, 0, others, positives):
            most = max(n for n in range(min(val, others + positives)) if _leaves(self.holdout, n, others, positives))
            raise ValueError(
                f"`val_size` must leave a training picture of each class, {counts}; the largest that does is {most}."
            )
        fitting = [n for n in range(1, min(self.holdout, others + positives)) if _leaves(n, val, others, positives)]
        mend = f"the largest that does is {fitting[-1]}" if fitting else "lower `val_size` or add pictures"
        raise ValueError(f"`holdout` must leave a training picture of each class, {counts}; {mend}.")

    def cut(self, labels: Tensor, groups: Tensor) -> dict[PartName, Tensor]:
        """Cut pictures.

        Args:
            labels: (N,) int64, 1 for the person looked for, 0 for others.
            groups: (N,) int64, what is not torn apart; of no account where the label is 1.

        Returns:
            Positions of "test" and "val", in the seed's order, and of "train", ascending.

        Raises:
            ValueError: too few pictures, or whole groups that do not add up to a part's size.
        """
        generator = torch.Generator().manual_seed(self.seed)
        positive, other = torch.where(labels == 1)[0], torch.where(labels == 0)[0]
        self.check_room(len(other), len(positive))
        positive = positive[torch.randperm(len(positive), generator=generator)]
        _, members = groups[other].unique(return_inverse=True)
        turns = torch.randperm(int(members.max()) + 1, generator=generator)
        members = turns[members]  # from here on a group's number is its turn

        chosen = _whole(members, "holdout", self.holdout, lambda size: size)
        test = torch.cat([positive[: self.holdout], other[chosen]])
        positive, other, members = positive[self.holdout :], other[~chosen], members[~chosen]

        val_size = image_count(self.val_size, len(labels))
        quota = _quota(val_size, len(other), len(positive))
        chosen = _whole(members, "val_size", val_size, lambda size: size - _quota(size, len(other), len(positive)))
        val = torch.cat([positive[:quota], other[chosen]])
        train = torch.cat([positive[quota:], other[~chosen]])
        return {
            "test": test[torch.randperm(len(test), generator=generator)],
            "val": val[torch.randperm(len(val), generator=generator)],
            "train": train.sort().values,
        }


def _leaves(holdout: int, val: int, others: int, positives: int) -> bool:
    """Whether parts of these sizes leave a picture of each class to train on."""
    others, positives = others - holdout, positives - holdout
    if min(others, positives) < 1:
        return False
    quota = _quota(val, others, positives)
    return quota < positives and val - quota < others


def _quota(size: int, others: int, positives: int) -> int:
    """Pictures of the positive in a part of `size` that holds the classes in their proportions."""
    return round(size * positives / (others + positives))


def _whole(members: Tensor, name: str, size: int, needs: Callable[[int], int]) -> Tensor:
    """Mask (N,) of the pictures, of groups `members` (N,), that a part of `size` gets, which `needs` so many."""
    turns, counts = members.unique(return_counts=True)
    chosen = fill(counts.tolist(), needs(size))
    if chosen is None:
        reached = sums(counts.tolist())
        possible = [other for other in range(len(members)) if reached >> needs(other) & 1]
        near = [max((n for n in possible if n < size), default=0), min((n for n in possible if n > size), default=0)]
        raise ValueError(
            f"`{name}` must be a number that whole people's pictures add up to while `disjoint_people` is true, found"
            f" {size}; the nearest that can be: {' and '.join(str(n) for n in near if n) or 'none'}; write one, or"
            " disjoint_people: false."
        )
    return torch.isin(members, turns[chosen])
