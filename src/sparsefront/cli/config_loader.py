"""How the parser reads configuration files: as YAML, in which the standard protocol may be a word."""

from typing import Any

import yaml
from jsonargparse import get_loader, set_loader

from sparsefront.cli.protocol_words import ATTACKS, as_list

MODE = "sparsefront"


def load(text: str) -> Any:
    """What a text of YAML holds, with a protocol that `attacks` names at its top as an entry of a list."""
    loaded = get_loader("yaml")(text)
    if isinstance(loaded, dict) and ATTACKS in loaded:
        return loaded | {ATTACKS: as_list(loaded[ATTACKS])}
    return loaded


set_loader(MODE, load, exceptions=(yaml.YAMLError,))
