"""Rules of constructors that settings break, seen before anything is imported to build what they are settings of."""

import ast
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from jsonargparse import ArgumentError

from sparsefront.cli.dry_run.given import Given, parsed
from sparsefront.cli.messages.messages import in_one_sentence, owner_of
from sparsefront.cli.source.annotations import plain_annotation
from sparsefront.cli.source.index import Setting, SourceClass
from sparsefront.cli.source.rules import check_source_rules
from sparsefront.common.pixel_size import holds_sizes, with_sizes_read


def broken_rule(kind: SourceClass, settings: Sequence[Given]) -> str | None:
    """The sentence for the first rule of a class's constructor that does not hold, as far as its source tells it.

    Args:
        kind: the class.
        settings: all that it is given, each of a kind that it takes, named without what they are settings of.
    """
    if not kind.module.startswith("sparsefront."):
        return None
    try:
        _check_rules(kind, settings)
    except _RefusedError as refused:
        return in_one_sentence(str(refused))
    return None


class _RefusedError(Exception):
    """The sentence, with the class that refuses."""


def _check_rules(kind: SourceClass, settings: Sequence[Given]) -> dict[str, Any]:
    """Try the rules of a class and of the groups of its settings; return the values of its settings."""
    values: dict[str, Any] = {}
    try:
        for setting in kind.taken or ():
            values |= _value(setting, settings, kind.is_dataclass)
        check_source_rules(kind, values)
    except ValueError as error:
        raise _RefusedError(f"{owner_of(kind.name, kind.module)}{error}") from None
    return values


def _value(setting: Setting, settings: Sequence[Given], read_sizes: bool) -> dict[str, Any]:
    """A setting's value by its name, nothing where it is not known.

    Raises:
        ValueError: a size in pixel units that is none; of a dataclass, which reads them before its rules.
    """
    own = [given for given in settings if given.name == setting.name]
    inner = [given.within(setting.name) for given in settings if given.name.startswith(f"{setting.name}.")]
    if any(given.name == f"{setting.name}+" for given in settings):
        return {}
    if (group := setting.group) is not None:
        return {} if own else {setting.name: SimpleNamespace(**_check_rules(group, inner))}
    try:
        annotation = plain_annotation(setting.annotation, setting.module)
        if inner or (not own and setting.default is None):
            return {}
        value = parsed(setting, own[-1]) if own else ast.literal_eval(setting.default or "")
    except (LookupError, ArgumentError, SyntaxError, TypeError, ValueError):
        return {}  # of another kind, or its default is no plain value
    if read_sizes and holds_sizes(annotation):
        value = with_sizes_read(annotation, value, setting.name)
    return {setting.name: value}
