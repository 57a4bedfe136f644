"""What loggers and the terminal get of an evaluation, beside its metrics."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.loggers import WandbLogger

from sparsefront.attacks import NamedAttack
from sparsefront.common.atomic_file import atomic_file
from sparsefront.common.long_work import duration_in_words
from sparsefront.figures.panel import panel_figure
from sparsefront.results.cost import Cost
from sparsefront.results.finding import Finding
from sparsefront.results.plain import plain


def log_flags(trainer: pl.Trainer, findings: Iterable[Finding]) -> None:
    """Log `diag/<flag>`: 1 where it was raised for any adversary."""
    raised_last = sorted(findings, key=lambda finding: finding.raised)
    flags = {f"diag/{finding.flag}": float(finding.raised) for finding in raised_last}
    for logger in trainer.loggers if flags else []:
        logger.log_metrics(flags, step=trainer.global_step)


def show_pictures(trainer: pl.Trainer, stage: str, results: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write pictures into the folder of results, and send their panel to W&B.

    Args:
        trainer: whose loggers there are.
        stage: `val` or `test`.
        results: the folder.
        arrays: of `Pictures`; without `clean`, where every sample was taken over from an interrupted run, none is kept.
    """
    if "clean" not in arrays:
        return
    with atomic_file(results / f"{stage}_images.npz") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(f"{stage}/images", [panel_figure(arrays)], step=trainer.global_step)


def attack_lines(
    stage: str,
    attacks: Sequence[NamedAttack],
    metrics: Mapping[str, float],
    costs: Mapping[str, Cost],
    errors: Mapping[str, str],
) -> Iterator[str]:
    """A line an attack, for where there is no terminal.

    Args:
        stage: `val` or `test`.
        attacks: that were run.
        metrics: of `logged_metrics`.
        costs: by attack.
        errors: of attacks that failed, by name.
    """
    for named in attacks:
        share = metrics.get(f"robust_acc/{named.name}")
        if named.name in errors:
            outcome = f"failed: {errors[named.name]}"
        elif share is None:
            outcome = "met no sample"
        else:
            outcome = f"{100 * share:.1f} % of {metrics['clean_acc/n']:.0f} still right"
        yield plain(f"{stage}: {named.name}: {outcome}, {duration_in_words(costs[named.name].seconds)}")
