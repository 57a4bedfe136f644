"""Tensors of another model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from sparsefront.common.checkpoints.weight_names import shapes_of

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Mismatch:
    """What names and shapes of a file's tensors differ from a module's.

    Attributes:
        names: of the tensors that differ, in order of the alphabet; one at least.
        expected: the module's shapes by name.
        given: the file's shapes by name.
    """

    names: tuple[str, ...]
    expected: Shapes
    given: Shapes

    @classmethod
    def between(cls, module: nn.Module, state: Mapping[str, Any]) -> "Mismatch | None":
        """Compare a module with the tensors of a file; None where the file fits."""
        expected, given = shapes_of(module.state_dict()), shapes_of(state)
        names = sorted(name for name in expected.keys() | given.keys() if expected.get(name) != given.get(name))
        return cls(tuple(names), expected, given) if names else None

    @property
    def of_sizes_alone(self) -> bool:
        """Whether each tensor that differs is in both, with another shape."""
        return all(name in self.expected and name in self.given for name in self.names)

    def told(self, whose: str, origin: str) -> str:
        """E.g. "2 tensors differ, the first is a.bias (the model's (3,), the file's is absent)".

        Args:
            whose: e.g. "the model's".
            origin: e.g. "the file's".
        """
        name = self.names[0]
        expected, given = self.expected.get(name, "is absent"), self.given.get(name, "is absent")
        return f"{len(self.names)} tensors differ, the first is {name} ({whose} {expected}, {origin} {given})"


def explain_mismatch(module: nn.Module, state: Mapping[str, Any], origin: str, whose: str) -> None:
    """Refuse the tensors of another front end or classifier.

    Args:
        module: what they should be those of.
        state: tensors by name.
        origin: where they are from, for the sentence.
        whose: the module, for the sentence, e.g. "the model's".

    Raises:
        ValueError: names or shapes differ.
    """
    mismatch = Mismatch.between(module, state)
    if mismatch is not None:
        difference = mismatch.told(whose, "the checkpoint's")
        raise ValueError(
            f"{origin} belongs to another front end or classifier: {difference}; give the settings that it "
            "was trained with: they are in the config.yaml of its run."
        )
