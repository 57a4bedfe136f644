"""What jsonargparse and Lightning say, pattern by pattern, and the sentence for it."""

import difflib
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from sparsefront import attacks, classifiers, data, frontends
from sparsefront.cli.messages.message_place import Place
from sparsefront.common.annotations import annotations_of, settings_group_of
from sparsefront.common.nearest import nearest
from sparsefront.model.known_classes import imported

PLACES: dict[str, tuple[Any, str, str]] = {
    "classifier": (classifiers, "a classifier", "ConvNet"),
    "frontend": (frontends, "a front end", "TopT"),
    "parts": (frontends, "a front end", "JPEG"),
    "attack": (attacks, "an attack", "PGD"),
    "view": (attacks, "what an adversary knows", "WhiteBox"),
    "data": (data, "a data set", "MNIST5k"),
}
"""Of a setting that names a class: the package that holds those of the project, what they are, one of them."""

KINDS = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list",
    "dict": "a mapping",
}
SORTS: dict[str, type] = {"attack": attacks.Attack, "view": attacks.View}
"""Of a setting whose package holds other classes too: what its own are."""
ENTRIES = ("attacks", "variants")
ATTACKS = "[{name: mine, attack: {class_path: PGD}}]"


def _kinds(found: re.Match[str], place: Place) -> str:
    """'Expected a <class int> or Expected a typing.Literal[...]. Got value: x'."""
    rule, _, value = found[0].partition(". Got value: ")
    words: list[str] = []
    for kind in rule.split(" or Expected a "):
        plain = re.search(r"<class '(?:\w+\.)*(\w+)'>", kind)
        choices = re.search(r"Literal\[(.*)\]", kind)
        said = f"one of {choices[1]}" if choices else KINDS.get(plain[1], plain[1]) if plain else "of its kind"
        words += [said] if said not in words else []
    if "an integer" in words and "a number" in words:
        words.remove("an integer")
    mend = f"; write e.g. {ATTACKS}." if place.setting == "attacks" and "a list" in words else "."
    return f"{place} must be {' or '.join(words)}, found {value or place.found}{mend}"


def _no_setting(found: re.Match[str], place: Place) -> str:
    owner = imported(place.owner) if place.owner else None
    known = _settings_of(owner)
    if found[1] in known:
        return (
            f"`{found[1]}` of {place.owner.rpartition('.')[2]} cannot be set here, found it among the first arguments, "
            "which are handed over; name a class of yours that takes what is handed over first, and its settings after."
        )
    near = difflib.get_close_matches(found[1].partition(".")[0], known, n=3, cutoff=0.5) or known
    of = f" of {place.owner.rpartition('.')[2]}" if place.owner else ""
    return (
        f"`{found[1]}` is no setting{of}; did you mean {' or '.join(near)}?"
        if near
        else f"`{found[1]}` is no setting{of}."
    )


def _no_setting_of_group(found: re.Match[str], place: Place) -> str:
    """Of a dataclass that groups settings of a class."""
    annotations = annotations_of(imported(place.owner)) if place.owner else {}
    known = _settings_of(settings_group_of(annotations.get(found[1])))
    near = difflib.get_close_matches(found[2], known, n=3, cutoff=0.5) or known
    mend = f"; did you mean {' or '.join(f'{found[1]}.{name}' for name in near)}?" if near else "."
    of = f" of {place.owner.rpartition('.')[2]}" if place.owner else ""
    return f"`{found[1]}.{found[2]}` is no setting{of}{mend}"


def _settings_of(owner: Any) -> list[str]:
    try:
        return [
            name
            for name in inspect.signature(owner).parameters
            if name not in ("image_shape", "in_chans", "num_classes")
        ]
    except (TypeError, ValueError):
        return []


def _unknown_class(found: re.Match[str], place: Place) -> str:
    word = (found[1] if found.lastindex else place.found or "").strip()
    last = place.setting.rpartition(".")[2]
    if last in ENTRIES:
        wanted = f"{place} must hold entries such as {ATTACKS[1:-1]}"
        return f"{wanted}, found {word or repr(word)}; give it a name so."
    package, kind, example = PLACES.get(last, (None, "a class", ""))
    if last not in PLACES and place.owner:
        return f"{place} must be a number, or name a class as module.Class, found {word!r}."
    own = _names(last) if package is not None else []
    other = next((said for name, (_, said, _) in PLACES.items() if word in _names(name) and word not in own), None)
    if other and package is not None:
        return f"{place} must name {kind}, found {word}, which is {other}; write e.g. {example}."
    names = own if package is not None else {one for name in PLACES for one in _names(name)}
    near = [name for name in nearest(word, names) if name != word] if word else []
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"{place} must name a class of the project or one of yours as module.Class, found {word or repr(word)}{hint}"


def _names(setting: str) -> list[str]:
    """The classes of the project that a setting of `PLACES` may name."""
    package, sort = PLACES[setting][0], SORTS.get(setting)
    return [
        name
        for name in package.__all__
        if sort is None or (isinstance(kind := getattr(package, name), type) and issubclass(kind, sort))
    ]


def _no_module(found: re.Match[str], place: Place) -> str:
    path = (place.found or "").strip()
    if path.endswith((".yaml", ".yml", ".json")):
        return _file_for_entry(path, place)
    if path.partition(".")[0] == found[1].partition(".")[0]:
        return (
            f"{place} must name a class that can be imported, found {path}, and no module {found[1]}; run where "
            f"{found[1].partition('.')[0]}.py lies, or install its package."
        )
    return f"{place} must name a class that can be imported, found {path}, which needs a missing module {found[1]}."


def _no_attribute(found: re.Match[str], place: Place) -> str:
    module = sys.modules.get(found[1])
    near = nearest(found[2], [name for name in vars(module) if not name.startswith("_")]) if module else []
    hint = f"; did you mean {' or '.join(near)}?" if near else f"; look into {found[1]}."
    return f"{place} must name a class that its module has, found {found[2]}, which is not in {found[1]}{hint}"


def _file_for_entry(path: str, place: Place) -> str:
    return (
        f"`{place.setting}+` must be one entry such as {ATTACKS[1:-1]}, found the file {path}; write `--config {path}` "
        "in its place, whose list grows with `attacks+:`."
    )


def _wrong_kind(found: re.Match[str], place: Place) -> str:
    place.owner = ""
    _, kind, example = PLACES.get(place.setting.rpartition(".")[2], (None, f"a subclass of {found[2]}", ""))
    said = kind if found[2] in kind else f"{kind} (a subclass of {found[2]})"
    mend = f"write e.g. {example}" if example else "name another class"
    return f"{place} must name {said}, found {found[1]}, which is none; {mend}."


def _a_module(found: re.Match[str], place: Place) -> str:
    """A path that ends where the class should follow."""
    _, kind, _ = PLACES.get(place.setting.rpartition(".")[2], (None, "a class", ""))
    place.owner = ""
    return (
        f"{place} must name {kind}, found {found[1]}, which is a module; write {found[1]}.Class with the class's name."
    )


def _no_class(found: re.Match[str], place: Place) -> str:
    _, kind, example = PLACES.get(place.setting.rpartition(".")[2], (None, "a class", ""))
    mend = f"; write e.g. {example}." if example else "."
    return f"{place} must name {kind}, found {(found[1] or place.found or 'nothing').strip().rstrip('.')}{mend}"


def _required(found: re.Match[str], place: Place) -> str:
    names = [re.sub(r"^(fit|validate|test|predict)\.", "", name.strip()) for name in found[1].split(",")]
    shown = " ".join(_EXAMPLES.get(name, f"`{name}: ...`") for name in names)
    missing = " and ".join(f"`{name}`" for name in names)
    last, short = place.setting.rpartition(".")[2], place.owner.rpartition(".")[2]
    if last in _HANDED_OVER and inspect.isroutine(imported(place.owner)):
        return (
            f"{missing} of {short} must be handed over, found a function as `class_path`; write the function alone, "
            f"`{last}: {place.owner}`, or a class where it needs settings."
        )
    whose = f" of {short}" if short else ""
    return f"{missing}{whose} must be given, found {'it' if len(names) == 1 else 'them'} nowhere; write e.g. {shown}."


def _several(found: re.Match[str], place: Place) -> str:
    package = PLACES.get(place.setting.rpartition(".")[2], (None,))[0]
    mend = "write one of them whole"
    if package is not None and found[1] in package.__all__:
        mend = f"write {package.__name__}.{found[1]}"
    return f"{place} must name one class, found {found[1]}, which several are called: {found[2].rstrip('.')}; {mend}."


def _no_group(found: re.Match[str], place: Place) -> str:
    return f"`{place.setting}` must hold settings, each with its name, or name a file of them, found {found[1]!r}."


def _not_lightnings(found: re.Match[str], _place: Place) -> str:
    names = re.search(r": ([^.]*[a-z_])", found[3])
    known = f" ({', '.join(sorted(names[1].split(', ')))})" if names else ""
    return f"`trainer.{found[1]}` must be one that Lightning knows{known}, found {found[2]}."


_EXAMPLES = {
    "model.classifier": "--model.classifier ConvNet",
    "data": "--data MNIST5k",
    "attack": "attack: {class_path: PGD}",
    "name": "name: mine",
}

_HANDED_OVER = ("classifier", "frontend", "optimizer", "scheduler")
"""Parts that are called with sizes, parameters or an optimizer first."""

RULES: list[tuple[str, Callable[[re.Match[str], Place], str]]] = [
    (r"^Expected a (?:<class|typing\.Literal).*", _kinds),
    (r"^Option '([^']+)' is not accepted\s*$", _no_setting),
    (r"Expected a dot import path string: ?([^\n]*)", _unknown_class),
    (r"Unexpected import path format: (\S+\.(?:ya?ml|json))", lambda found, place: _file_for_entry(found[1], place)),
    (r"Unexpected import path format: (.*)", _unknown_class),
    (r"Multiple subclasses with name (\w+)\. .*?: (.*)", _several),
    (r"Unable to load config [\"'](.*?)[\"']", _no_group),
    (r"Subcommand '\w+' does not accept option '([^']+)'", _no_setting),
    (
        r"Expected a tuple with (\d+) elements\. Got value: (.*)",
        lambda found, place: f"{place} must be a list of {found[1]}, found {found[2]}.",
    ),
    (r"Group '([^']+)' does not accept option '([^']+)'", _no_setting_of_group),
    (r"unrecognized arguments: --(\w+)\.([\w.]+)", _no_setting_of_group),
    (r"No module named '([^']+)'", _no_module),
    (r"module '([^']+)' has no attribute '([^']+)'", _no_attribute),
    (r"Expected '([^']+)' to be a (?:subclass of|function that returns) <class '(?:\w+\.)*(\w+)'>", _wrong_kind),
    (r"Unexpected import object <module '([^']+)'", _a_module),
    (
        r"Import path does not correspond to a subclass of (\w+)\. Got value: (\S+)",
        lambda found, place: (
            _a_module(module, place)
            if found[2] in sys.modules and (module := re.match(r"(.*)", found[2]))
            else f"{place} must name a subclass of {found[1]}, found {found[2]}, which is none; name another class."
        ),
    ),
    (r"Import path (\S+) does not correspond to a subclass of (\w+)", _wrong_kind),
    (r"Expected an import path or a subclass spec, but got (.*?)(?:\. Got value|$)", _no_class),
    (r"Dict must include a class_path and optionally init_args, but got (.*?)(?:\. Got value|$)", _no_class),
    (r"Not a valid subclass of \w+(?:\. Got value: ([^\n]*))?\n", _no_class),
    (r"the following arguments are required: (.*)", _required),
    (
        r"(\S+) is not in bounds, numpy accepts from (\d+) to (\d+)",
        lambda found, _: f"`seed_everything` must be an integer from {found[2]} to {found[3]}, found {found[1]}.",
    ),
    (
        r"invalid choice: '(.*)' \(choose from (.*)\)",
        lambda found, _: (
            f"the first word must be one of {found[2]}, found '{found[1]}'"
            + (
                f"; did you mean {near[0]}?"
                if (near := nearest(found[1], re.findall(r"\w+", found[2]), 1))
                else "; write it before all settings, e.g. `sparsefront fit --config ...`."
            )
        ),
    ),
    (
        r'expected "subcommand" to be one of \{(.*)\}, but it was not provided',
        lambda found, _: (
            f"the first word must be one of {found[1].replace(',', ', ')}, found none; write e.g. "
            "`sparsefront fit --config lightning_configs/experiments/mnist5k_natural.yaml`."
        ),
    ),
    (
        r"Option '([^']+)' is not accepted before subcommand '(\w+)'",
        lambda found, _: (
            f"`{found[1]}` must come after the verb, found it before {found[2]}; write `sparsefront "
            f"{found[2]} ...` with the settings behind it."
        ),
    ),
    (
        r"argument (\S+): expected one argument",
        lambda found, _: f"`{found[1].rpartition('/')[2]}` must be followed by a value, found none.",
    ),
    (
        r"^(Path is not a file|File does not exist|.*not readable.*): '?([^']*)'?",
        lambda found, place: f"`{place.setting}` must name a file that can be read, found {found[2]}, which is none.",
    ),
    (
        r"You selected an invalid (accelerator|strategy) name: `\w+='?([^'`]*)'?`\.(.*)",
        _not_lightnings,
    ),
    (
        r"`?(\w+)`? must be a non-negative integer or -1\. You passed in (\S+?)\.?$",
        lambda found, _: f"`trainer.{found[1]}` must be -1 or an integer of at least 0, found {found[2]}.",
    ),
    (
        r"^`(\w+)` can be (.*) but got (.*?)\.?$",
        lambda found, _: f"`{found[1]}` must be one of {found[2]}, found {found[3]}.",
    ),
    (
        r"You have passed invalid value (\S+) for (\w+), it has to be in \[0\.0, 1\.0\] or an int",
        lambda found, _: (
            f"`trainer.{found[2]}` must be a share from 0.0 to 1.0 or a number of batches, found {found[1]}."
        ),
    ),
]
