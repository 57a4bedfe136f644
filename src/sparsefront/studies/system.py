"""One system of a study."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sparsefront.common.home import at_home

RUN_DIR = "{run_dir}"
"""What stands for the study's folder in its settings, and in the record of what was done."""


class Layer(NamedTuple):
    """What one `--config` gives.

    Attributes:
        word: after `--config`: a path, or the settings themselves.
        settings: what it holds.
    """

    word: str
    settings: dict[str, Any]

    @classmethod
    def of_file(cls, path: Path) -> "Layer":
        """What a YAML file holds that is known to be one."""
        return cls(str(path), yaml.safe_load(path.read_text(encoding="utf-8")) or {})


@dataclass(frozen=True)
class System:
    """What is fitted and tested under one name.

    Attributes:
        name: in the table.
        folder: its `--run_dir`.
        layers: its settings; a later one wins.
        more: further arguments of every command.
        needs: the systems before it whose folders, or files in them, it names.
        fit: whether it is fitted; else it is tested as it is built, from others' checkpoints.
        test: whether it is tested; else its results are those of the validation of its fit.
        home: the folder that `{run_dir}` means in its settings; None for the one that `folder` lies in.
        seedless_name: the name without seeds, which the systems share that differ in their seeds alone; None if no
            axis is of seeds.
    """

    name: str
    folder: Path
    layers: tuple[Layer, ...] = ()
    more: tuple[str, ...] = ()
    needs: tuple["System", ...] = ()
    fit: bool = True
    test: bool = True
    home: Path | None = None
    seedless_name: str | None = None

    @property
    def stage(self) -> str:
        """Stage of the results that count: `test` or `val`."""
        return "test" if self.test else "val"

    @property
    def arguments(self) -> list[str]:
        """Arguments of `sparsefront test`, without `--run_dir`."""
        return _arguments(self.layers, self.more)

    @property
    def fit_arguments(self) -> list[str]:
        """Arguments of `sparsefront fit`: without the attacks that name its own files, which are not there yet."""
        return _arguments(tuple(self._without_own(layer) for layer in self.layers), self.more)

    def arguments_without(self, others: tuple["System", ...]) -> list[str]:
        """Arguments of a fit, less the settings and attacks that name the folder of one of `others` or a file in it."""
        layers = []
        for layer in map(self._without_own, self.layers):
            if any(names(layer.settings, other.folder) for other in others):
                left = {key: _without(value, others) for key, value in layer.settings.items()}
                layer = inline({key: value for key, value in left.items() if value is not None})
            layers.append(layer)
        return _arguments(tuple(layers), self.more)

    def with_arguments(self, words: Iterable[str]) -> "System":
        """Return the system with further arguments of every command."""
        return replace(self, more=(*self.more, *words))

    def _without_own(self, layer: Layer) -> Layer:
        attacks = {key: value for key, value in layer.settings.items() if key.rstrip("+") == "attacks"}
        if not names(attacks, self.folder):
            return layer
        return inline(layer.settings | {key: _without(value, (self,)) for key, value in attacks.items()})


def inline(settings: dict[str, Any]) -> Layer:
    """Settings that no file holds."""
    return Layer(json.dumps(settings, default=str), settings)


def strings(settings: Any) -> Iterator[str]:
    """All texts that are values in nested settings, `~` read as the commands will read it."""
    if isinstance(settings, str):
        yield at_home(settings)
    elif isinstance(settings, dict):
        for value in settings.values():
            yield from strings(value)
    elif isinstance(settings, list | tuple):
        for value in settings:
            yield from strings(value)


def names(settings: Any, folder: Path) -> bool:
    """Whether settings name a folder, or a file in it."""
    return any(text == str(folder) or f"{folder}/" in text for text in strings(settings))


def _arguments(layers: tuple[Layer, ...], more: tuple[str, ...]) -> list[str]:
    return [*(word for layer in layers for word in ("--config", layer.word)), *more]


def _without(value: Any, others: tuple[System, ...]) -> Any:
    """A setting's value without what names a file of the others, of a list the whole entry; None if nothing is left."""
    if isinstance(value, list):
        return [item for item in value if not any(names(item, other.folder) for other in others)]
    if isinstance(value, dict):
        left = {key: _without(item, others) for key, item in value.items()}
        return {key: item for key, item in left.items() if item is not None or value[key] is None}
    return None if any(names(value, other.folder) for other in others) else value
