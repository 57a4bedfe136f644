"""What jsonargparse and Lightning say of a setting, as a sentence: the setting, the rule, what was found, the mend."""

import re
import traceback
from collections.abc import Iterable
from typing import Any

from sparsefront.cli.linked import linked_setting
from sparsefront.cli.messages.message_place import ENTRY, innermost
from sparsefront.cli.messages.message_rules import RULES
from sparsefront.common.nearest import nearest


def in_one_sentence(message: str, options: Iterable[str] = ()) -> str:
    """The sentence for what jsonargparse or Lightning says, with its account of where it is taken apart.

    Args:
        message: theirs, or a sentence of the project, which is left as it is.
        options: of the command line, among which a misspelt one is looked for.
    """
    if unknown := re.match(r"unrecognized arguments: (\S+)", message):
        return _with_what_is_absent(_unknown_option(unknown[1], options))
    if linked := linked_setting(message):
        return linked
    return _with_what_is_absent(_said(message))


def _said(message: str) -> str:
    place, cause = innermost(message.strip())
    for pattern, say in RULES:
        if found := re.search(pattern, cause, re.DOTALL):
            return place.before + " ".join(say(found, place).split())
    text = " ".join(cause.split())
    return place.before + (f"{place}: {text}" if place.setting and f"`{place.setting}`" not in text else text)


def _with_what_is_absent(sentence: str) -> str:
    """Say that there is none where adversarial training is asked for, which is no matter of spelling."""
    if not re.search(r"adv\w*[-_ .]?train|trades\b", sentence, re.IGNORECASE) or not re.search(_UNKNOWN, sentence):
        return sentence
    return (
        f"{sentence.partition(';')[0].rstrip('.')}; there is no adversarial training here, models are trained on clean "
        "images: train the network elsewhere and name its weights in `model.classifier_checkpoint`."
    )


_UNKNOWN = "is no setting|must name"


def _unknown_option(word: str, options: Iterable[str]) -> str:
    if not word.startswith("-"):
        return f"a setting must follow its name, found {word} alone; write `--name {word}` or `--config {word}`."
    name = word.partition("=")[0]
    known = [option for option in options if not option.endswith(".help")]
    near = [option for option in known if option.startswith(name)][:3] or nearest(name, known)
    mend = f"did you mean {' or '.join(near)}?" if near else "`--help` lists the settings."
    return f"`{name}` is no setting, found on the command line; {mend}"


def of_entry(settings: Any, message: str) -> str:
    """A message about an entry of a list, with the entry's name if it has one."""
    own = settings if isinstance(settings, dict) else getattr(settings, "__dict__", {})
    name = own.get("name")
    return message if not isinstance(name, str) or ENTRY.match(message) else f"Entry {name!r}: {message}"


def owner_of(kind: str, module: str) -> str:
    """How a sentence begins in which a part of the project refuses a setting of its own, so that it is known of many.

    Args:
        kind: the part's class.
        module: of the class.
    """
    return f"{kind}: " if module.startswith(_PARTS) else ""


_PARTS = ("sparsefront.attacks.", "sparsefront.frontends.", "sparsefront.classifiers.")


def with_owner(message: str, owner: str) -> str:
    """The class that refused one of its own settings, behind the entry that it belongs to."""
    entry = ENTRY.match(message)
    return f"{entry[0]}{owner}{message[entry.end() :]}" if entry else owner + message


def of_import(error: Exception) -> str:
    """The sentence for a module of the user's that does not come through its import."""
    if isinstance(error, SyntaxError):
        return (
            f"{error.filename}, line {error.lineno}, must be Python, found {error.msg}; mend it, or name another class."
        )
    trace = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return (
        f"{trace.filename}, line {trace.lineno}, must run when its module is imported, found {type(error).__name__}: "
        f"{text}; mend it, or name another class."
    )


_ASKING = {"accelerators": "accelerator", "precision": "precision", "strategies": "strategy", "loggers": "logger",
           "profilers": "profiler", "callbacks": "callbacks"}  # fmt: skip
"""Of a folder of Lightning's: the trainer's setting that asks for what is in it."""


def of_missing(error: ImportError) -> str:
    """The sentence for a package that the settings need and that is not installed."""
    folders = [re.split(r"[/\\]", frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    asking = next(
        (
            setting
            for folder in reversed(folders)
            for name, setting in _ASKING.items()
            if name in folder and {"pytorch_lightning", "lightning_fabric"} & set(folder)
        ),
        None,
    )
    who = f"`trainer.{asking}`" if asking else "the settings"
    text = " ".join(str(error).split()).rstrip(".")
    return f"{who} must ask for what is installed, found a missing package ({text}); install it, or ask for another."
