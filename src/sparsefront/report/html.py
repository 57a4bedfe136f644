"""One page that holds everything."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsefront.common.atomic_file import write_atomically
from sparsefront.figures.atoms import atoms_figure
from sparsefront.figures.curves import curves_figure
from sparsefront.figures.panel import panel_figure
from sparsefront.figures.representation_figures import own_figures
from sparsefront.figures.variants import variants_figure
from sparsefront.report.differences import differences
from sparsefront.report.over_seeds import seed_tables
from sparsefront.report.plots import (
    accuracy_figure,
    interval_attacks,
    interval_figure,
    robustness_figure,
    sizes_figure,
)
from sparsefront.report.row import Row, rows_of
from sparsefront.report.sentences import cautions, headline, over_draws, signs
from sparsefront.report.svg import inline_svg
from sparsefront.report.table import CAPTION, HEADER, TEXT_COLUMNS, cells
from sparsefront.report.variant_tables import variant_tables
from sparsefront.report.weights import weights
from sparsefront.results.adversary_words import KNOWLEDGE
from sparsefront.results.plain import plain
from sparsefront.results.run import Run

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure


def write_page(runs: Sequence[Run], out: Path) -> Path:
    """Write the page of one or several runs, whole or not at all; folders on the way are made.

    Args:
        runs: the systems, in the order of the table.
        out: the file, replaced if it is there.

    Returns:
        `out`.

    Raises:
        ValueError: `runs` is empty.
    """
    write_atomically(out, render(runs))
    return out


def render(runs: Sequence[Run]) -> str:
    """The page's HTML; every name in it is escaped and nothing in it is fetched from elsewhere."""
    if not runs:
        raise ValueError("`runs` must hold at least one run, found none; load one with `Run.load`.")
    rows = [row for run in runs for row in rows_of(run)]
    source = files("sparsefront.report").joinpath("template.html.j2").read_text(encoding="utf-8")
    from jinja2 import Environment, StrictUndefined  # of the extra `report`, as matplotlib

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    accuracy = _svg(accuracy_figure(rows), "accuracy", "Clean and robust accuracy per attack; numbers in the table")
    return environment.from_string(source).render(
        headlines=[(sentence := headline(run), "Caution: " in sentence) for run in runs],
        remarks=[*differences(runs), *filter(None, map(over_draws, runs))],
        cautions=cautions(runs),
        header=HEADER,
        text_columns=TEXT_COLUMNS,
        shares=("clean", "robust", "interval", "success"),
        before_robust=("attack", "adversary", "n", "clean"),
        sections=[
            (run.name, [(row, dict(zip(HEADER, cells(row), strict=True))) for row in rows_of(run)]) for run in runs
        ],
        caption=CAPTION,
        knowledge=_knowledge(runs),
        accuracy=accuracy,
        intervals=_intervals(rows),
        system_tables=[*seed_tables(runs), *variant_tables(runs)],
        variants=_variants(runs),
        systems=[_system(run, f"s{number}") for number, run in enumerate(runs)],
    )


def _variants(runs: Sequence[Run]) -> "Markup | None":
    records = {run.name: run.representations for run in runs if run.representations is not None}
    shares = {system: {name: record.accuracy(name) for name in record.names} for system, record in records.items()}
    return _svg(variants_figure(shares), "variants", "Accuracy of each system on the variants") if shares else None


def _knowledge(runs: Sequence[Run]) -> dict[str, str]:
    kinds = dict.fromkeys(attack.knowledge for run in runs for attack in run.attacks)
    return {kind.replace("_", " "): KNOWLEDGE[kind] for kind in kinds if kind in KNOWLEDGE}


def _intervals(rows: Sequence[Row]) -> "list[tuple[str, Markup]]":
    return [
        (name, _svg(interval_figure(rows, name), f"interval{number}", f"Quality and accuracy of systems under {name}"))
        for number, name in enumerate(interval_attacks(rows))
    ]


def _svg(figure: "Figure", name: str, alt: str) -> "Markup":
    from markupsafe import Markup  # comes with jinja2

    return Markup(inline_svg(figure, name, alt))


def _if_any(figure: "Figure | None", name: str, alt: str) -> "Markup | None":
    return None if figure is None else _svg(figure, name, alt)


def _system(run: Run, key: str) -> dict[str, Any]:
    atoms = run.images.get("atoms")
    return {
        "run": run,
        "folder": plain(str(run.folder)),
        "weights": weights(run),
        "sizes": _if_any(sizes_figure(run), f"{key}-sizes", f"Sizes of successful perturbations of {run.name}"),
        "robustness": _if_any(robustness_figure(run), f"{key}-robustness", f"Accuracy of {run.name} by size"),
        "signs": signs(run),
        "curves": _if_any(curves_figure(run.metrics), f"{key}-curves", f"Losses and accuracies of {run.name} by step"),
        "panels": _panels(run, key),
        "representations": _representations(run, key),
        "atoms": None if atoms is None else _svg(atoms_figure(atoms), f"{key}-atoms", f"Dictionary of {run.name}"),
    }


def _representations(run: Run, key: str) -> "list[tuple[str, str, Markup]]":
    """Title, caption and drawn figure of each picture of a run's representations."""
    shown = [] if run.representations is None else own_figures(run.representations)
    return [
        (one.title, one.caption, _svg(one.figure, f"{key}-{one.key}", f"{one.title} of {run.name}")) for one in shown
    ]


def _panels(run: Run, key: str) -> "list[tuple[str, Markup]]":
    """Pictures of each attack, the strongest that enters the worst case first."""
    attacks = [a for a in run.completed if f"adv/{a.name}" in run.images and run.samples.attacked(a.name).any()]
    attacks.sort(key=lambda attack: (not attack.in_worst_case, int(np.count_nonzero(run.samples.correct(attack.name)))))
    shown = [attack.name for attack in attacks]
    return [
        (
            name,
            _svg(
                panel_figure(run.images, [name]),
                f"{key}-panel{number}",
                f"Pictures of {run.name} under {name}: clean, adversarial, their difference, and what the classifier "
                "sees of them",
            ),
        )
        for number, name in enumerate(shown)
    ]
