"""A YAML file whose keys are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sparsefront.common.home import at_home
from sparsefront.studies.study import near


def load(path: Path, what: str) -> dict[str, Any]:
    """What a YAML file holds.

    Args:
        path: of the file.
        what: it is, for the sentence.

    Raises:
        ValueError: there is none, or it holds no keys with their values, or one of them twice.
    """
    path = at_home(path)
    if not path.is_file():
        beside = [str(path.with_name(other.name)) for other in path.parent.glob("*.y*ml")]
        raise ValueError(f"{what} must be a YAML file, found none at {path}; {near(str(path), beside)}")
    try:
        text = path.read_text(encoding="utf-8")
        _check_once(yaml.compose(text), path)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{what} must be YAML, found {' '.join(str(error).split())}; mend {path}.") from None
    if not isinstance(content, dict):
        raise ValueError(f"{what} must hold keys with their values, found {type(content).__name__} in {path}.")
    return content


def _check_once(node: yaml.Node | None, path: Path) -> None:
    """PyYAML would let the last of two entries of one name win, unsaid."""
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if twice := [key for key in dict.fromkeys(keys) if keys.count(key) > 1]:
            raise ValueError(f"Each key of {path} must be given once, found `{twice[0]}` twice; rename or drop one.")
    for part in node.value if isinstance(node, yaml.CollectionNode) else []:
        for inner in part if isinstance(part, tuple) else (part,):
            _check_once(inner, path)


def check_keys(content: Any, known: Sequence[str], where: str) -> None:
    """Raise a ValueError unless it is a mapping of known keys."""
    if not isinstance(content, dict):
        raise ValueError(f"{where} must hold {', '.join(known[:-1])} and {known[-1]}, found {content!r}.")
    for key in content:
        if key not in known:
            raise ValueError(f"`{key}` is no key of {where}; {near(str(key), known)}")
