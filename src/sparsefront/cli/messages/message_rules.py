"""What jsonargparse and Lightning say, pattern by pattern, and the sentence for it."""

import re
import sys
from collections.abc import Callable

from sparsefront.cli.messages.class_sentences import (
    a_module,
    file_for_entry,
    no_attribute,
    no_class,
    no_module,
    several,
    unknown_class,
    wrong_kind,
)
from sparsefront.cli.messages.message_place import Place
from sparsefront.cli.messages.setting_sentences import (
    no_group,
    no_setting,
    not_lightnings,
    required,
    wrong_value,
)
from sparsefront.common.nearest import nearest


def _unknown_class(found: re.Match[str], place: Place) -> str:
    return unknown_class(place, (found[1] if found.lastindex else place.found or "").strip())


RULES: list[tuple[str, Callable[[re.Match[str], Place], str]]] = [
    (r"^Expected a (?:<class|typing\.Literal).*", wrong_value),
    (r"^Option '([^']+)' is not accepted\s*$", no_setting),
    (r"Expected a dot import path string: ?([^\n]*)", _unknown_class),
    (r"Unexpected import path format: (\S+\.(?:ya?ml|json))", lambda found, place: file_for_entry(found[1], place)),
    (r"Unexpected import path format: (.*)", _unknown_class),
    (r"Multiple subclasses with name (\w+)\. .*?: (.*)", several),
    (r"Unable to load config [\"'](.*?)[\"']", no_group),
    (r"Subcommand '\w+' does not accept option '([^']+)'", no_setting),
    (
        r"Expected a tuple with (\d+) elements\. Got value: (.*)",
        lambda found, place: f"{place} must be a list of {found[1]}, found {found[2]}.",
    ),
    (r"Group '([^']+)' does not accept option '([^']+)'", no_setting),
    (r"unrecognized arguments: --(\w+\.[\w.]+)", no_setting),
    (r"No module named '([^']+)'", no_module),
    (r"module '([^']+)' has no attribute '([^']+)'", no_attribute),
    (r"Expected '([^']+)' to be a (?:subclass of|function that returns) <class '(?:\w+\.)*(\w+)'>", wrong_kind),
    (r"Unexpected import object <module '([^']+)'", a_module),
    (
        r"Import path does not correspond to a subclass of (\w+)\. Got value: (\S+)",
        lambda found, place: (
            a_module(module, place)
            if found[2] in sys.modules and (module := re.match(r"(.*)", found[2]))
            else f"{place} must name a subclass of {found[1]}, found {found[2]}, which is none; name another class."
        ),
    ),
    (r"Import path (\S+) does not correspond to a subclass of (\w+)", wrong_kind),
    (r"Expected an import path or a subclass spec, but got (.*?)(?:\. Got value|$)", no_class),
    (r"Dict must include a class_path and optionally init_args, but got (.*?)(?:\. Got value|$)", no_class),
    (r"Not a valid subclass of \w+(?:\. Got value: ([^\n]*))?\n", no_class),
    (r"the following arguments are required: (.*)", required),
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
        not_lightnings,
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
