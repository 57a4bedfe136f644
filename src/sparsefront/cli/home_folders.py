"""`~` in settings."""

from typing import Any

from jsonargparse import Namespace

from sparsefront.common.home import at_home


def at_home_throughout(settings: Any) -> Any:
    """Settings with the home folder in the place of `~` in every text that begins with it, however deep it lies.

    Here, once: what reads the settings, and the run's own config.yaml, know the whole path.

    Raises:
        ValueError: `~` of someone who has no home folder.
    """
    if isinstance(settings, str):
        return at_home(settings)
    if isinstance(settings, Namespace):
        for name, value in vars(settings).items():
            settings[name] = at_home_throughout(value)
    elif isinstance(settings, dict):
        settings.update({name: at_home_throughout(value) for name, value in settings.items()})
    elif isinstance(settings, list):
        settings[:] = [at_home_throughout(value) for value in settings]
    return settings
