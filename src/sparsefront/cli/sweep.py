"""`sparsefront-sweep`: one setting through several values, a test of each, a table and a picture."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sparsefront.cli.command import check
from sparsefront.common import stopping
from sparsefront.common.atomic_file import atomic_file, write_atomically
from sparsefront.common.home import at_home
from sparsefront.common.system_errors import says_system_errors
from sparsefront.common.working_folder import look_here_last
from sparsefront.report.markdown import markdown_text
from sparsefront.report.plots import setting_figure
from sparsefront.report.row import rows_of
from sparsefront.report.sentences import cautions, reservation
from sparsefront.report.table import to_csv
from sparsefront.report.wide import to_wide_markdown
from sparsefront.results.result_files import read_json
from sparsefront.results.run import load_runs
from sparsefront.studies.separate_run import LOG
from sparsefront.studies.separate_tests import has_results, separate_tests


@says_system_errors("sparsefront-sweep")
def main(args: Sequence[str] | None = None) -> int:
    """Test each value that has no results yet, then write the table and the picture over all that have.

    Section 5.5 of paper 002 (Figure 5), for any setting. All values' settings are checked before the first test.

    Returns:
        0; 1 after a sentence on stderr if some value has no results; 2, before any test, if a setting cannot be right.
    """
    parser = argparse.ArgumentParser(
        prog="sparsefront-sweep",
        description="Test one setting at several values: accuracy without and under attack, and PSNR, over the value.",
        epilog="What is not listed here goes to `sparsefront test`: --config, --model.classifier_checkpoint ...",
        allow_abbrev=False,
    )
    parser.add_argument("--setting", required=True, help="e.g. model.frontend.sigma")
    parser.add_argument("--values", required=True, nargs="+", metavar="VALUE", help="e.g. 0.5 1 2")
    parser.add_argument("--run_dir", type=Path, default=Path("runs/sweep"), help="folder (default: runs/sweep)")
    given, more = parser.parse_known_args(args)
    try:
        given.run_dir = at_home(given.run_dir)
        tests = _tests(given.setting, given.values, given.run_dir, more)
        _check_same(tests)
    except ValueError as error:
        print(f"sparsefront-sweep: {error}", file=sys.stderr)
        return 2
    for value, (folder, arguments) in tests.items():
        if not has_results(folder):
            _check(given.setting, value, [*arguments, "--run_dir", str(folder)])
    failed = separate_tests(dict(tests.values()))
    done = {value: folder for value, (folder, _) in tests.items() if folder not in failed}
    if done:
        words = list(sys.argv[1:] if args is None else args)
        _write(given.setting, done, given.run_dir, shlex.join(["sparsefront-sweep", *words]))
    for folder in failed:
        print(f"sparsefront-sweep: {folder.name} has no results; see {folder / LOG}", file=sys.stderr)
    return 1 if failed else 0


def _tests(
    setting: str, values: Sequence[str], run_dir: Path, more: Sequence[str]
) -> dict[str, tuple[Path, list[str]]]:
    """Folder and arguments of `sparsefront test`, by value."""
    # A whole checkpoint has a value of its own for the setting.
    allowed = ["--may_differ+", setting] if any(word.split("=")[0] == "--ckpt_path" for word in more) else []
    tests: dict[str, tuple[Path, list[str]]] = {}
    for value in values:
        folder = run_dir / f"{_name(setting)}={value.replace('/', '_')}"
        if folder in (other for other, _ in tests.values()):
            raise ValueError(f"`--values` must have folders of their own, found {folder.name} twice; leave one out.")
        tests[value] = folder, [*more, f"--{setting}={value}", *allowed]
    return tests


def _name(setting: str) -> str:
    return setting.rsplit(".", 1)[-1]


def _check_same(tests: Mapping[str, tuple[Path, Sequence[str]]]) -> None:
    """Raise a ValueError if a folder's results are of other arguments than would be given now."""
    for folder, arguments in tests.values():
        for path in folder.rglob("results/test_attacks.json"):
            mend = "delete the folder to test the value anew"
            command = read_json(path, ("command",), mend, to_show=False).at("command").text()
            _, *found = shlex.split(command)
            if found != ["test", *arguments, "--run_dir", str(folder)]:
                raise ValueError(
                    f"`--run_dir` must hold results of the same arguments, found those of `{command}` in {folder}; "
                    "name another folder, or delete this one."
                )


def _check(setting: str, value: str, arguments: Sequence[str]) -> None:
    try:
        check(["test", *arguments])
    except SystemExit:
        print(f"sparsefront-sweep: refused at {setting} = {value}; nothing was tested.", file=sys.stderr)
        raise


def _write(setting: str, folders: Mapping[str, Path], run_dir: Path, command: str) -> None:
    runs = load_runs(list(folders.values()), "test")
    systems = zip(folders, runs, strict=True)
    rows = {value: [replace(row, system=value) for row in rows_of(run)] for value, run in systems}
    text = to_wide_markdown(rows, _name(setting), psnr=True)
    said = [*filter(None, map(reservation, runs)), *(f"Caution: {sentence}" for sentence in cautions(runs))]
    text += "".join(f"\n- {markdown_text(sentence)}" for sentence in dict.fromkeys(said)) + "\n"
    print(text)
    write_atomically(run_dir / "sweep.md", f"`{command}`\n\n{text}")
    write_atomically(run_dir / "sweep.csv", to_csv([row for some in rows.values() for row in some], _name(setting)))
    with atomic_file(run_dir / "sweep.png") as picture:
        setting_figure(setting, rows).savefig(picture, dpi=150)
    print(run_dir / "sweep.png")


def command() -> int:
    """The installed command `sparsefront-sweep`."""
    look_here_last()  # a class in a file beside the user is found
    with stopping.command("sparsefront-sweep", sys.argv[1:], "the values tested so far are kept"):
        return main()


if __name__ == "__main__":
    sys.exit(command())
