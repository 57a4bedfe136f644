"""Values that cannot be, seen before anything is imported to build what they are settings of.

Annotations and rules are read from the source, and jsonargparse looks at the values, so that the sentence is the same.
What this does not know passes here: the parser looks at everything again.
"""

from collections.abc import Iterable, Sequence

from jsonargparse import ArgumentError

from sparsefront.cli.dry_run.broken_rule import broken_rule
from sparsefront.cli.dry_run.given import Given, parsed
from sparsefront.cli.messages.messages import in_one_sentence
from sparsefront.cli.source.index import Setting, SourceClass, class_in

GROUPS = {
    "trainer": ("pytorch_lightning.trainer.trainer", "Trainer"),
    "model": ("sparsefront.model.defended", "DefendedClassifier"),
    "evaluation": ("sparsefront.evaluation.robust_evaluation", "RobustEvaluation"),
    "analysis": ("sparsefront.analysis.representations", "Representations"),
    "frontend_cache": ("sparsefront.training.frontend_cache", "FrontEndCache"),
}
"""By a group of settings the module and the class that is built from it."""


def refused_in_groups(settings: Sequence[Given]) -> str | None:
    """The sentence for the first value that a group such as `trainer` cannot have; None where all may be well."""
    for group, (module, name) in GROUPS.items():
        own = [given for given in settings if given.name.startswith(f"{group}.")]
        if not own or (kind := class_in(module, name)) is None:
            continue
        for given in own:
            message = _message(_setting(kind, given.within(group).name), given)
            if message is not None:
                return in_one_sentence(message)
        refused = broken_rule(kind, [given.within(group) for given in own])
        if refused is not None:
            return refused
    return None


def refused_of_class(kind: SourceClass, settings: Iterable[Given]) -> str | None:
    """The sentence for the first value that is of no kind which a class of the project takes; None where all may be.

    Args:
        kind: the class.
        settings: named without what they are settings of.
    """
    for given in settings:
        if given.value is None and "." not in given.name:
            continue  # the class itself says what is wrong with null
        if (message := _message(_setting(kind, given.name), given)) is not None:
            return in_one_sentence(f"Problem with given class_path '{kind.module}.{kind.name}':\n  {message}")
    return None


def _setting(kind: SourceClass, name: str) -> Setting | None:
    """A class's setting by its name, or one of a group of settings by its dotted name."""
    first, _, inner = name.partition(".")
    setting = next((one for one in kind.taken or () if one.name == first), None)
    if setting is None or not inner:
        return setting
    return None if setting.group is None else _setting(setting.group, inner)


def _message(setting: Setting | None, given: Given) -> str | None:
    """What jsonargparse says of a value, None if it takes it or nobody knows what it should be."""
    if setting is None or not isinstance(given.value, bool | int | float | str | list | None):
        return None
    try:
        parsed(setting, given)
    except ArgumentError as error:
        return str(error)
    except LookupError:
        return None
    return None
