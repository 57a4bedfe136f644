"""The tables, the sentences and the page of runs that were evaluated."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sparsefront.common.atomic_file import write_atomically
from sparsefront.report.differences import differences
from sparsefront.report.html import write_page
from sparsefront.report.markdown import markdown_text
from sparsefront.report.over_seeds import seed_tables
from sparsefront.report.row import rows_of
from sparsefront.report.sentences import cautions, headline, over_draws
from sparsefront.report.table import print_table, to_csv, to_markdown
from sparsefront.report.variant_tables import variant_tables
from sparsefront.report.weights import weights_sentence
from sparsefront.results.run import Run, load_runs


def report(runs: Sequence[str | Path], out: str | Path, stage: str | None = None) -> Path:
    """Write the page of one or several run folders.

    Args:
        runs: folders that `sparsefront fit|validate|test` wrote to.
        out: the HTML file, replaced if it is there.
        stage: "val" or "test"; None takes test where it is, else val.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: a run folder or a file in it is missing.
        ValueError: `runs` is empty, `stage` is unknown, or a file cannot be what an evaluation wrote.
    """
    return write_page(load_runs(runs, stage), Path(out))


def show(runs: Sequence[Run], console: Console | None = None) -> None:
    """Print the table of the runs, that over seeds, those of variants, a sentence on each run, reasons for caution."""
    console = console or Console()
    print_table([row for run in runs for row in rows_of(run)], console)
    for table in [*seed_tables(runs), *variant_tables(runs)]:
        table.show(console)
    for run in runs:
        console.print(Text(headline(run)), soft_wrap=True)
    for sentence in [*differences(runs), *filter(None, [*map(over_draws, runs), *map(weights_sentence, runs)])]:
        console.print(Text(sentence), soft_wrap=True)
    for sentence in cautions(runs):
        console.print(Text(f"Caution: {sentence}", style="yellow"), soft_wrap=True)


def write_table(runs: Sequence[Run], out: Path) -> None:
    """Write the table to a .csv file, or to an .md file with what is said of it."""
    rows = [row for run in runs for row in rows_of(run)]
    text = to_csv(rows)
    if out.suffix == ".md":
        said = [
            *map(headline, runs),
            *differences(runs),
            *filter(None, [*map(over_draws, runs), *map(weights_sentence, runs)]),
        ]
        said += [*(f"Caution: {sentence}" for sentence in cautions(runs))]
        tables = [*seed_tables(runs), *variant_tables(runs)]
        text = "\n".join([to_markdown(rows), *(table.markdown() for table in tables)])
        text += "".join(f"\n- {markdown_text(sentence)}" for sentence in said) + "\n"
    write_atomically(out, text)
