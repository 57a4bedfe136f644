"""What a checkpoint keeps of the settings that a model was built with."""

from collections.abc import Mapping
from typing import Any

from sparsefront.model.rebuilding import SETTINGS, SOURCES
from sparsefront.training.objectives import Objective

_PART_FILES = ("frontend_checkpoint", "classifier_checkpoint")


def kept_hyperparameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a checkpoint keeps: plain values, from which `described_settings` builds the model again.

    Named in YAML the parts are kept as text; classes and objects given in Python are left out, since they would make
    the checkpoint unsafe to load. Files that weights came from are null: the weights are in the checkpoint.

    Args:
        settings: the constructor's arguments by name.
    """
    kept = {name: value for name, value in settings.items() if not (callable(value) or isinstance(value, Objective))}
    kept |= dict.fromkeys(_PART_FILES)
    if isinstance(named := kept.get("classifier"), dict):
        inner = {name: SOURCES.get(name, value) for name, value in named.get(SETTINGS, {}).items()}
        kept["classifier"] = named | {SETTINGS: inner}
    return kept
