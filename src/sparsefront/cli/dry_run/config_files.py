"""Configuration files are looked at before their settings are: what is no YAML is named with its file and line."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from sparsefront.cli.dry_run.class_entries import check_class_entries, check_inline_entries
from sparsefront.cli.dry_run.named_configs import named_files, piped_texts, with_texts
from sparsefront.common.nearest import nearest

TOPS = (
    "seed_everything", "trainer", "model", "data", "optimizer", "lr_scheduler", "ckpt_path", "run_dir", "attacks",
    "evaluation", "analysis", "frontend_cache", "checkpoint", "config", "return_predictions", "verbose", "weights_only",
    "may_differ", "fit", "validate", "test", "predict",
)  # fmt: skip
"""The settings at the top of a configuration file."""


GROUPS = ("trainer", "model", "evaluation", "analysis", "frontend_cache", "checkpoint")
"""Those that hold others."""

PLAIN = {*yaml.SafeLoader.yaml_constructors, "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}
"""The tags of YAML's own values, and of `<<` and `=`."""


def check_config_files(words: Sequence[str], in_groups: bool = True) -> list[str]:
    """Look at the files that a command line names with `--config` or `-c`, and at the classes that it names in braces.

    Args:
        words: of the command line.
        in_groups: whether to look at the names in `trainer`, `model` and the other groups too, for which the classes
            that these build are imported.

    Returns:
        The words, with what came through pipes in the place of their names, because it is there once.

    Raises:
        ValueError: one that cannot be read, is no YAML mapping, has a key twice, or is a study's, holds what
            is no plain value, or settings of a class beside its `class_path`; with the line.
    """
    piped = piped_texts(named_files(words))
    for path in named_files(words):
        if not path.lstrip().startswith("{"):  # settings themselves in the place of a file
            _check_file(Path(path).expanduser(), piped.get(path), in_groups)
    check_inline_entries(words)
    return with_texts(words, piped)


def _check_file(path: Path, piped: bytes | None, in_groups: bool) -> None:
    if piped is None and not path.is_file():
        found = "a folder" if path.is_dir() else "none" if not path.exists() else "a special file"
        raise ValueError(f"`--config` must name a YAML file, found {found} at {path}; check the path.")
    read = path.read_bytes() if piped is None else piped
    try:
        node = yaml.compose(read.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = read[: error.start].count(b"\n") + 1
        raise ValueError(
            f"`--config` {path}, line {line}, must be UTF-8 text, found other bytes; save it as UTF-8."
        ) from None
    except yaml.YAMLError as error:
        raise ValueError(_of_yaml(path, error)) from None
    _check_top(path, node)
    if in_groups:
        from sparsefront.cli.dry_run.group_settings import check_groups

        check_groups(path, node)
    check_class_entries(node, f"`--config` {path}")


def _of_yaml(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None and "another document" in str(error):
        return (
            f"`--config` {path}, line {mark.line + 1}, must hold one YAML document, found that a second begins there; "
            "remove the line `---`, or give each its own file."
        )
    where = f", line {mark.line + 1}," if mark is not None else ""
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    opened = getattr(error, "context_mark", None)
    since = f" in what begins in line {opened.line + 1}" if opened is not None else ""
    mend = "indent with spaces" if "token" in problem else "look for a brace, bracket or quote that is not closed"
    return f"`--config` {path}{where} must be YAML, found that the parser {problem}{since}; {mend}."


def _check_top(path: Path, node: yaml.Node | None) -> None:
    if not isinstance(node, yaml.MappingNode):
        found = "nothing" if node is None else "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
        raise ValueError(f"`--config` {path} must hold settings such as `trainer: {{max_epochs: 3}}`, found {found}.")
    _check_twice(path, node)
    _check_plain(path, node)
    keys = {key.value: key.start_mark.line + 1 for key, _ in node.value if isinstance(key, yaml.ScalarNode)}
    if "systems" in keys:
        raise ValueError(
            f"`--config` {path} must hold the settings of one system, found `systems` in line {keys['systems']}: it "
            f"is a study; run `sparsefront-study {path}`."
        )
    for key, value in node.value:
        if key.value in GROUPS and isinstance(value, yaml.ScalarNode) and value.value not in ("", "null", "~"):
            raise ValueError(
                f"`--config` {path}, line {value.start_mark.line + 1}: `{key.value}` must hold settings, each with its "
                f"name, found {value.value!r}."
            )
    for key, line in keys.items():
        top = re.split(r"[.+]", str(key))[0]
        if top not in TOPS:
            near = nearest(top, TOPS)
            mend = f"did you mean {' or '.join(near)}?" if near else f"those are {', '.join(TOPS[:11])} and so on."
            raise ValueError(
                f"`--config` {path}, line {line}, must name settings, found `{key}`, which is none; {mend}"
            )


def _check_plain(path: Path, node: yaml.Node) -> None:
    """A tag such as `!!python/name:os.system` asks for an object, and settings are data."""
    if node.tag not in PLAIN:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise ValueError(
            f"`--config` {path}, line {node.start_mark.line + 1}, must hold plain values, found the tag {tag}; write "
            "the value, or a class as `class_path`."
        )
    if isinstance(node, yaml.CollectionNode):
        for inner in node.value:
            for one in inner if isinstance(inner, tuple) else (inner,):
                _check_plain(path, one)


def _check_twice(path: Path, node: yaml.Node) -> None:
    """YAML readers take the last of two equal keys and say nothing."""
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            _check_twice(path, inner)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in seen and key.value != "<<":
                    raise ValueError(
                        f"`--config` {path}, line {line}, must name each setting once, found `{key.value}` a second "
                        f"time after line {seen[key.value]}; keep one of them."
                    )
                seen[key.value] = line
            _check_twice(path, value)
