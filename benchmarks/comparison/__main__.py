"""`python -m benchmarks.comparison`: every front end before one trained classifier, in one table."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tqdm import tqdm

from sparsefront.report.plots import panel_figure
from sparsefront.report.row import Row, rows_of
from sparsefront.report.run import Run, load_runs
from sparsefront.report.table import to_csv

HERE = Path(__file__).parent
FRAGMENTS = Path("lightning_configs/frontends")


def parse() -> tuple[argparse.Namespace, list[str]]:
    """Read the command line; what it does not know goes to `sparsefront test`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--name", required=True, help="of the table, and of the folder of its runs")
    parser.add_argument("--setting", required=True, type=Path, help="YAML with data, classifier and attacks")
    parser.add_argument("--frontends", nargs="*", default=[], help="fragments' names; absent: all of them")
    parser.add_argument("--pictures", type=Path, help="folder for one picture a fragment")
    return parser.parse_known_args()


def main() -> None:
    """Test the front ends that have no results yet, then write the table over all that have."""
    options, more = parse()
    own = options.setting.with_suffix("")  # settings of single front ends for this data, and variants of them
    known = {path.stem for folder in (FRAGMENTS, own) for path in folder.glob("*.yaml")}
    names = sorted(known & set(options.frontends or known), key=lambda name: (name != "identity", name))
    folders = {name: Path("runs/comparison") / options.name / name for name in names}
    shown = tqdm(folders.items())
    for name, folder in shown:
        shown.set_postfix_str(name)
        if not _has_results(folder):
            configs = [options.setting, FRAGMENTS / f"{name}.yaml", own / f"{name}.yaml"]
            _test([config for config in configs if config.is_file()], folder, more)
    done = {name: folder for name, folder in folders.items() if _has_results(folder)}
    runs = load_runs(list(done.values()), "test")
    _write(runs, options.name)
    for fragment, run in zip(done, runs, strict=True) if options.pictures else []:
        options.pictures.mkdir(parents=True, exist_ok=True)
        few = {name: array if name == "atoms" else array[:6] for name, array in run.images.items()}
        picture = panel_figure(few, [run.completed[0].name])
        # Several fragments may be of one class.
        picture.savefig(options.pictures / f"{fragment}.png", dpi=100)


def _has_results(folder: Path) -> bool:
    return any(folder.rglob("results/test_attacks.json"))


def _test(configs: list[Path], folder: Path, more: list[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "sparsefront.cli", "test", "--config", "lightning_configs/base.yaml"]
    command += [word for config in configs for word in ("--config", str(config))]
    command += ["--run_dir", str(folder), *more]
    with (folder / "log.txt").open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code:
        tqdm.write(f"{folder.name} failed; see {folder / 'log.txt'}")


def _write(runs: list[Run], name: str) -> None:
    rows = {run.folder.parent.name: rows_of(run) for run in runs}
    command = shlex.join(["python", "-m", "benchmarks.comparison", *sys.argv[1:]])
    texts = {".md": f"`{command}`\n\n{table(rows)}", ".csv": to_csv([row for some in rows.values() for row in some])}
    (HERE / "results").mkdir(exist_ok=True)
    for suffix, text in texts.items():
        temporary = HERE / "results" / f"{name}.tmp"
        temporary.write_text(text)
        os.replace(temporary, HERE / "results" / f"{name}{suffix}")


def table(rows: dict[str, list[Row]]) -> str:
    """A line a front end, a column an attack or worst case, in %: rows of the report by fragment -> Markdown."""
    attacks = dict.fromkeys(row.attack for some in rows.values() for row in some if not row.is_worst)
    worst = dict.fromkeys(row.attack for some in rows.values() for row in some if row.is_worst)
    last = next(iter(rows.values()))[-1].attack
    columns = [*attacks, *(name for name in worst if name != last), last]
    lines = [["front end", "n", "clean", *columns], ["---", *("---:" for _ in range(2 + len(columns)))]]
    for fragment, some in rows.items():
        robust = {row.attack: f"{100 * row.robust.value:.1f}" for row in some if row.robust is not None}
        clean = f"{100 * some[0].clean.value:.1f}"
        lines.append([fragment, str(some[0].n), clean, *(robust.get(name, "") for name in columns)])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return text + "\n% of n samples right; the CSV file has intervals, sizes and costs.\n"


if __name__ == "__main__":
    main()
