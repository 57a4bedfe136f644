"""A setting that takes several values."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from sparsefront.common.joined_words import joined_words
from sparsefront.studies.system import System


@dataclass(frozen=True)
class Axis:
    """A setting and its values; the seed is one, `seed_everything`.

    Attributes:
        setting: its dotted name on the command line.
        values: as on the command line.
    """

    setting: str
    values: tuple[str, ...]

    @property
    def is_seed(self) -> bool:
        """Whether its values are seeds: `seed_everything`, or a setting called `seed`."""
        return self.setting.rpartition(".")[2] in ("seed_everything", "seed")


class Point(NamedTuple):
    """One value of each axis.

    Attributes:
        label: e.g. `bits=3,seed_everything=0`; a folder can be called so.
        values: one of each axis.
        arguments: of the command line.
        seedless_label: the label without seeds, e.g. `bits=3`, empty if nothing is left; None if no axis is of seeds.
    """

    label: str
    values: tuple[str, ...]
    arguments: tuple[str, ...]
    seedless_label: str | None = None


def points(axes: Sequence[Axis]) -> list[Point]:
    """The product of axes, the last one changing fastest.

    Raises:
        ValueError: two points whose folders would have one name.
    """
    names = short_names(axes)
    found: list[Point] = []
    seedless = [not axis.is_seed for axis in axes]
    for values in itertools.product(*(axis.values for axis in axes)):
        words = [f"{name}={value.replace('/', '_')}" for name, value in zip(names, values, strict=True)]
        label = ",".join(words)
        if label in (other.label for other in found):
            settings = joined_words([f"`{axis.setting}`" for axis in axes])
            raise ValueError(f"{settings} must have values with folders of their own, found {label} twice; drop one.")
        arguments = (f"--{axis.setting}={value}" for axis, value in zip(axes, values, strict=True))
        seedless_label = None if all(seedless) else ",".join(itertools.compress(words, seedless))
        found.append(Point(label, values, tuple(arguments), seedless_label))
    return found


def short_names(axes: Sequence[Axis]) -> list[str]:
    """The last part of each setting's name, or all of it where two end alike."""
    ends = [axis.setting.rpartition(".")[2] for axis in axes]
    return [end if ends.count(end) == 1 else axis.setting for axis, end in zip(axes, ends, strict=True)]


def along(system: System, axes: Sequence[Axis], folder: Path) -> list[System]:
    """A system at each point, as systems of their own.

    Args:
        system: whose settings they have, but for those of the axes.
        axes: at least one.
        folder: in which each has a folder called as its point.
    """
    return [
        replace(named_at(system, point), folder=folder / point.label).with_arguments(point.arguments)
        for point in points(axes)
    ]


def named_at(system: System, point: Point) -> System:
    """The system under its name at a point."""
    name = joined_label(system.name, point.label)
    if system.seedless_name is None and point.seedless_label is None:
        return replace(system, name=name)
    without_seeds = system.name if system.seedless_name is None else system.seedless_name
    label = point.label if point.seedless_label is None else point.seedless_label
    return replace(system, name=name, seedless_name=joined_label(without_seeds, label))


def joined_label(name: str, label: str) -> str:
    """A name and what tells its points apart, either of which may be empty."""
    return ", ".join(word for word in (name, label) if word)
