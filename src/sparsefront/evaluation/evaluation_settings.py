"""Whether the settings of an evaluation can be."""

from collections.abc import Sequence


def check_evaluation_settings(
    names: Sequence[str],
    *,
    every_n_epochs: int,
    max_samples: int | None,
    time_budget: float | None,
    draws: int,
    diagnostics: int,
) -> None:
    """Raise a ValueError that names the first setting of `RobustEvaluation` which is out of range.

    Args:
        names: of the attacks, which must differ; none is `worst`.
        every_n_epochs: at least 1.
        max_samples: at least 1, or None.
        time_budget: above 0 seconds, or None.
        draws: at least 1.
        diagnostics: at least 0 samples.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"`attacks` must have names of their own, found {twice} more than once; rename them.")
    if "worst" in names:
        raise ValueError("`attacks` must not use the name 'worst', which is the row over all of them; rename it.")
    if every_n_epochs < 1:
        raise ValueError(f"`every_n_epochs` must be at least 1, found {every_n_epochs}.")
    if max_samples is not None and max_samples < 1:
        raise ValueError(f"`max_samples` must be at least 1, found {max_samples}; write null for all.")
    if time_budget is not None and not time_budget > 0:
        raise ValueError(f"`time_budget` must be above 0 seconds, found {time_budget}; write null for no bound.")
    if draws < 1:
        raise ValueError(f"`draws` must be at least 1, found {draws}; 1 judges by a single forward.")
    if diagnostics < 0:
        raise ValueError(f"`diagnostics` must be at least 0 samples, found {diagnostics}.")
