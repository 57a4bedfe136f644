"""The files that settings name, by what they hold."""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from sparsefront.common.checkpoints.run_folder import find_checkpoint, has_checkpoint
from sparsefront.common.file_digest import file_digest
from sparsefront.common.home import at_home
from sparsefront.studies.system import RUN_DIR, strings

_CONFIG = ("--config", "-c")


def digests(settings: Iterable[Any], study: Path) -> dict[str, str]:
    """SHA-256 of each file that settings name; of a run's folder, that of its newest checkpoint.

    Other folders, as those of images, are known by their name alone; so is what lies in the study's own folder, which
    follows from the settings of its systems.

    Args:
        settings: nested ones, and words of a command line.
        study: the study's folder.

    Returns:
        By the name that settings have for it.
    """
    given = dict.fromkeys(text for _, value in arguments_by_name(settings) for text in strings(value))
    held = {text: _held(Path(text)) for text in given if RUN_DIR not in portable(text, study)}
    return {text: digest for text, digest in held.items() if digest is not None}


def portable(value: Any, study: Path) -> Any:
    """A setting with `{run_dir}` in the place of the study's folder, which may be moved."""
    if isinstance(value, str):
        return re.sub(rf"(?<![\w./~-]){re.escape(str(study))}(?=/|$|[^\w.-])", lambda _: RUN_DIR, at_home(value))
    if isinstance(value, dict):
        return {key: portable(item, study) for key, item in value.items()}
    return [portable(item, study) for item in value] if isinstance(value, list | tuple) else value


def contents(words: Sequence[str]) -> list[Any]:
    """Arguments, with what each configuration file holds in the place of its name."""
    given: list[Any] = []
    ahead = iter(words)
    for word in ahead:
        flag, equals, value = word.partition("=")
        if flag not in _CONFIG:
            given.append(word)
        elif (named := value if equals else next(ahead, None)) is not None:
            given.append(_settings_in(named))
    return given


def arguments_by_name(words: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """`--name value`, `--name=value` and `--name` by their names; what is no word, as settings of a file, by "".

    Args:
        words: of a command line, and settings.
    """
    flag: str | None = None
    for word in words:
        value = isinstance(word, str) and not word.startswith("--")
        if flag is not None:
            yield flag, _value(word) if value else True
        if not isinstance(word, str):
            yield "", word
        name, equals, given = ("", "", "") if value or not isinstance(word, str) else word.partition("=")
        if equals:
            yield name.removeprefix("--"), _value(given)
        flag = name.removeprefix("--") if name and not equals else None
    if flag is not None:
        yield flag, True


def _value(text: str) -> Any:
    """A mapping or a list that a word holds; any other word as it is."""
    try:
        return yaml.safe_load(text) if text.lstrip().startswith(("{", "[")) else text
    except yaml.YAMLError:
        return text


def _settings_in(named: str) -> Any:
    """Of a file, or of settings that stand in the place of its name; the name where neither can be read."""
    path = at_home(Path(named))
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8") if len(named) < 1000 and path.is_file() else named)
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return named  # the command itself says what is wrong with it


def _held(path: Path) -> str | None:
    try:
        if path.is_dir() and has_checkpoint(path):
            path = find_checkpoint(path, "ckpt_path").path
        if not path.is_file():
            return None
        state = path.stat()
    except (OSError, ValueError):  # a text that can be no path, or damaged checkpoints
        return None
    return _digest(path.resolve(), state.st_mtime_ns, state.st_size)


@functools.cache
def _digest(path: Path, *_: int) -> str:
    return file_digest(path)
