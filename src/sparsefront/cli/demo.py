"""`make demo`: the main job on 5,000 real digits, from learning a dictionary to the report."""

import sys
from pathlib import Path

from sparsefront.cli.dry_run.check import check
from sparsefront.cli.report import main as report
from sparsefront.common import stopping
from sparsefront.studies.run_systems import run_systems
from sparsefront.studies.study_file import read_study

STUDY = Path("lightning_configs/studies/demo.yaml")


def demo() -> int:
    """Train a small classifier behind the top-T front end and without it, attack both, show the table and a page.

    Goes on where it was interrupted, and does not train again what is whole.
    """
    try:
        study = read_study(STUDY)
        study.check(study.systems, check)
    except ValueError as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 2
    failed = run_systems(study.systems, shown=True)
    for name, why in failed.items():
        print(f"make demo: {name} has no results: {why}", file=sys.stderr)
    if failed:
        return 1
    folders = [str(system.folder) for system in study.systems]
    return report([*folders, "--stage", "val", "--out", str(study.folder / "report.html")])


if __name__ == "__main__":
    with stopping.command("make demo", [], "what was trained so far is kept"):
        sys.exit(demo())
