"""A setting as it was given, and what it is as a value of its kind."""

from typing import Any, NamedTuple

from jsonargparse import ArgumentParser

from sparsefront.cli.source.annotations import plain_annotation
from sparsefront.cli.source.index import Setting


class Given(NamedTuple):
    """A setting as it was given.

    Attributes:
        name: dotted.
        value: what YAML makes of it.
        text: the words of the command line, None where a file or a mapping has the value.
    """

    name: str
    value: Any
    text: str | None = None

    def within(self, place: str) -> "Given":
        """The same, named as a setting of what is at a place."""
        return self._replace(name=self.name.removeprefix(f"{place}."))


def parsed(setting: Setting, given: Given) -> Any:
    """What jsonargparse makes of a value.

    Raises:
        LookupError: nobody knows what it should be.
        ArgumentError: it is of another kind.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument(f"--{given.name}", type=plain_annotation(setting.annotation, setting.module))
    if given.text is None:
        return parser.parse_object({given.name: given.value})[given.name]
    return parser.parse_args([f"--{given.name}={given.text}"])[given.name]
