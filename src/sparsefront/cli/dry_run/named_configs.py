"""The configuration files that a command line names: packaged ones, and those that come through a pipe once."""

import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from sparsefront.common.packaged_configs import with_packaged

_PIPES = re.compile(r"/dev/stdin|/dev/fd/\d+|/proc/self/fd/\d+")


def named_files(words: Sequence[str]) -> Iterator[str]:
    """What a command line names with `--config` or `-c`."""
    for word, after in pairwise([*words, ""]):
        if word in ("--config", "-c") and after:
            yield after
        elif word.startswith("--config="):
            yield word.removeprefix("--config=")


def with_packaged_files(words: Sequence[str]) -> list[str]:
    """A command line that holds the paths of packaged configuration files in the place of their names."""
    located: list[str] = []
    for word in words:
        option, equals, name = word.partition("=")
        if option == "--config" and equals:
            word = f"{option}={with_packaged(name)}"
        elif located[-1:] in (["--config"], ["-c"]):
            word = with_packaged(word)
        located.append(word)
    return located


def reads_a_pipe(words: Sequence[str]) -> bool:
    """Whether a configuration file of a command line is a pipe, which can be read once."""
    return any(map(_PIPES.fullmatch, named_files(words)))


def piped_texts(paths: Iterable[str]) -> dict[str, bytes]:
    """What comes through those paths that the shell made of pipes or of its input; a named pipe could wait for ever.

    Args:
        paths: as `--config` names them.
    """
    return {path: Path(path).read_bytes() for path in paths if _PIPES.fullmatch(path) and _is_pipe(Path(path))}


def with_texts(words: Sequence[str], texts: Mapping[str, bytes]) -> list[str]:
    """A command line that holds what came through the pipes in the place of their names.

    Args:
        words: of the command line.
        texts: of each path, a YAML mapping in UTF-8.
    """
    found: list[str] = []
    for word in words:
        text = texts.get(word.removeprefix("--config="))
        if text is None or not (word.startswith("--config=") or found[-1:] in (["--config"], ["-c"])):
            found.append(word)
            continue
        if not word.startswith("--config="):
            found.pop()
        found.append(f"--config={_in_braces(text)}")
    return found


def _in_braces(text: bytes) -> str:
    """The same settings as they are written in the place of a file; numbers stay as they are spelt."""
    node = yaml.compose(text.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    _flow(node)
    return str(yaml.serialize(node, Dumper=yaml.SafeDumper, width=float("inf"), allow_unicode=True)).strip()


def _flow(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.CollectionNode):
        node.flow_style = True
        for inner in node.value:
            for one in inner if isinstance(inner, tuple) else (inner,):
                _flow(one)


def _is_pipe(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
