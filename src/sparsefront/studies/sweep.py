"""A sweep: one system through the values of settings."""

from collections.abc import Sequence
from pathlib import Path

from sparsefront.studies.axes import Axis, along
from sparsefront.studies.study import Study
from sparsefront.studies.system import System


def sweep(axes: Sequence[Axis], folder: Path, more: Sequence[str] = (), fit: bool = False) -> Study:
    """A study with a system at each point of the axes.

    Args:
        axes: at least one.
        folder: of the study; each system's is called as its point.
        more: arguments of every `sparsefront` command.
        fit: whether each is fitted, too; else one classifier, or one whole checkpoint, is tested at every point.

    Raises:
        ValueError: two points whose folders would have one name.
    """
    # A whole checkpoint has values of its own for the settings.
    of_checkpoint = not fit and any(word.partition("=")[0] == "--ckpt_path" for word in more)
    system = System("", folder, more=tuple(more), fit=fit, home=folder)
    systems = along(system, axes, folder)
    if of_checkpoint:
        allowed = tuple(word for axis in axes for word in ("--may_differ+", axis.setting))
        systems = [one.with_arguments(allowed) for one in systems]
    return Study(folder, tuple(systems))
