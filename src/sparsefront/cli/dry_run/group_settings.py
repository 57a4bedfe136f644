"""The names of the settings that a group such as `trainer` holds."""

import inspect
import re
from functools import cache
from pathlib import Path

import yaml
from pytorch_lightning import Trainer

from sparsefront.analysis import Representations
from sparsefront.common.nearest import nearest
from sparsefront.evaluation import RobustEvaluation
from sparsefront.model.defended import DefendedClassifier
from sparsefront.runs.run_checkpoints import RunCheckpoints
from sparsefront.training.frontend_cache import FrontEndCache

GROUPS: dict[str, type] = {
    "trainer": Trainer,
    "model": DefendedClassifier,
    "evaluation": RobustEvaluation,
    "analysis": Representations,
    "frontend_cache": FrontEndCache,
    "checkpoint": RunCheckpoints,
}
"""By a group of settings the class that is built from it."""


@cache
def group_settings(group: str) -> tuple[str, ...]:
    """Names of the settings that a group's class is built from, a parent's too where it hands them on; else none."""
    names: dict[str, None] = {}
    for kind in GROUPS[group].__mro__ if group in GROUPS else ():
        own = list(inspect.signature(kind).parameters.values())
        names |= dict.fromkeys(one.name for one in own if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL))
        if not any(one.kind is one.VAR_KEYWORD for one in own):
            break
    return tuple(names)


def check_groups(path: Path, node: yaml.MappingNode) -> None:
    """Raise a ValueError, with the line, on a name in a group of a configuration file that is no setting of it."""
    for group, value in node.value:
        known = group_settings(str(group.value))
        for key in [key for key, _ in value.value] if known and isinstance(value, yaml.MappingNode) else []:
            name = re.split(r"[.+]", str(key.value))[0]
            if isinstance(key, yaml.ScalarNode) and name not in known and name != "<<":
                near = nearest(name, known)
                mend = f"did you mean {' or '.join(near)}?" if near else f"those are {', '.join(known)}."
                raise ValueError(
                    f"`--config` {path}, line {key.start_mark.line + 1}, must name settings of `{group.value}`, found "
                    f"`{name}`, which is none; {mend}"
                )
