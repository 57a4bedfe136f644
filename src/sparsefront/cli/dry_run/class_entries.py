"""Whether a class named in YAML has its settings under `init_args`, seen before they are parsed."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import yaml

from sparsefront.common.nearest import nearest

BESIDE = ("init_args", "dict_kwargs")
"""What may stand beside `class_path`."""
_LISTS = ("attacks", "variants")  # whose entries hold a name and an attack


def check_class_entries(node: yaml.Node, where: str, setting: str = "") -> None:
    """Look at each mapping that names a class.

    Args:
        node: what YAML makes of the settings.
        where: the file or option, for the sentence.
        setting: the name of the setting whose value the node is.

    Raises:
        ValueError: settings of a class beside its `class_path`; with the line.
    """
    name = re.split(r"[.+]", setting.rstrip("+"))[-1]
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            check_class_entries(inner, where, name)
    elif isinstance(node, yaml.MappingNode):
        _check_mapping(node, where, name)
        for key, inner in node.value:
            check_class_entries(inner, where, str(key.value) if isinstance(key, yaml.ScalarNode) else "")


def check_inline_entries(words: Sequence[str]) -> None:
    """Check, as `check_class_entries` does, the values that a command line gives in braces or brackets.

    Args:
        words: of the command line.

    Raises:
        ValueError: settings of a class beside its `class_path`.
    """
    for word, after in pairwise([*words, ""]):
        option, equals, value = word.partition("=")
        value = value if equals else after
        if not option.startswith("-") or not value.lstrip().startswith(("{", "[")):
            continue
        try:
            node = yaml.compose(value, Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            continue  # the parser says what is wrong with it
        if node is not None:
            check_class_entries(node, f"`{option}`", option.lstrip("-"))


def _check_mapping(node: yaml.MappingNode, where: str, name: str) -> None:
    entries = dict(_entries(node))
    if "class_path" not in entries:
        return
    named = getattr(entries["class_path"][1], "value", "")
    if not isinstance(named, str):
        return
    for key, (line, _) in entries.items():
        if key != "class_path" and key not in BESIDE:
            place = f"{where}, line {line}," if where.startswith("`--config`") else where
            raise ValueError(f"{place} {_rule(key, named, name, 'name' in entries)}")


def _rule(key: str, named: str, name: str, has_name: bool) -> str:
    short = named.rpartition(".")[2]
    if name in _LISTS and has_name:
        mend = f"write {{name: mine, attack: {{class_path: {named}}}}}"
        return f"must put {short} under `attack`, found it beside `name`; {mend}."
    first = key.partition(".")[0]
    near = [first] if first in BESIDE else nearest(first, BESIDE, 1)
    if near and not key.startswith(f"{near[0]}."):
        return f"must give the settings of {short} as `{near[0]}`, found `{key}`; did you mean {near[0]}?"
    inner = key.partition(".")[2] if near else key
    return (
        f"must put `{inner}` under `init_args` of {short}, found `{key}` beside `class_path`; write "
        f"{{class_path: {named}, init_args: {{{inner}: ...}}}}."
    )


def _entries(node: yaml.MappingNode) -> Iterator[tuple[str, tuple[int, yaml.Node]]]:
    """Key, line and value of a mapping and of those that it takes in with `<<`."""
    for key, value in node.value:
        if key.value == "<<":
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(merged, yaml.MappingNode):
                    yield from _entries(merged)
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            yield str(key.value), (key.start_mark.line + 1, value)
