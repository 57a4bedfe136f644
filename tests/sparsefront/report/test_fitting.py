"""What a terminal of some width shows of the table."""

import io
import json
import re

import pytest
from rich.console import Console

from sparsefront.cli.show_runs import show
from sparsefront.report.row import rows_of
from sparsefront.report.table import HEADER, SPARE, cells, print_table
from sparsefront.results.run import load_runs

NAMES = ["pgd_linf", "pgd_linf_identity", "pgd_l2", "carlini_wagner_l2_confident"]


@pytest.fixture(scope="module")
def runs(make_shared_run, entry):
    attacks = [entry(NAMES[0], fell=(0, 1)), entry(NAMES[1], fell=(1,)), entry(NAMES[2], fell=(2,), eps=1.5, norm="L2")]
    attacks += [entry(NAMES[3], "gray_box"), entry("bad", error="OSError: it is no file")]
    for attack in attacks:
        attack |= {"attacked": 9, "forwards": 1000, "backwards": 900}
    systems = ["Identity + ConvNet", "DenoisingDictionaryLearning + CIFARResNet"]
    return load_runs(
        [make_shared_run(f"run{number}", attacks=attacks, system=name) for number, name in enumerate(systems)]
    )


def printed(width, write, terminal=True):
    file = io.StringIO()
    write(Console(file=file, width=width, force_terminal=terminal, color_system=None, legacy_windows=False))
    return file.getvalue()


def numbers(text):
    return re.findall(r"\d+(?:\.\d+)?", text)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 250])
def test_no_digit_and_no_name_is_ever_cut_and_columns_fall_away_from_the_right(runs, width):
    rows = [row for run in runs for row in rows_of(run)]
    text = printed(width, lambda console: print_table(rows, console))
    table = text[: text.index("bad: failed")]
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in text
    heads = [line.split() for line in table.splitlines() if "attack" in line.split()[:2]]
    shown = [name for name in heads[0] if name != "system"]
    assert all([name for name in head if name != "system"] == shown for head in heads)
    assert {"attack", "robust"} <= set(shown)
    if set(SPARE) <= set(shown):
        assert shown == list(HEADER[1 : 1 + len(shown)])  # only the right end is missing
    whole = "".join(table.split())
    for row in rows:
        assert "".join(row.system.split()) in whole
        if width >= 60:
            assert row.attack in table
    found = numbers(table)
    for row in rows:
        for name, cell in zip(HEADER, cells(row), strict=True):
            if name in shown[2:] and name not in ("attack", "adversary"):
                assert all(number in found for number in numbers(cell))


def test_a_wider_terminal_never_shows_fewer_columns(runs):
    rows = [row for run in runs for row in rows_of(run)]
    counts = []
    for width in range(30, 200, 5):
        text = printed(width, lambda console: print_table(rows, console))
        gone = re.search(r"Left out for want of room: (.*?); see", " ".join(text.split()))
        counts.append(len(gone[1].split(", ")) if gone else 0)
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 5
    assert counts[-1] == 0


def test_eighty_columns_show_the_interval_and_every_name_in_one_piece(runs):
    text = printed(80, lambda console: show(runs, console))
    assert all(name in text for name in (*NAMES, *(run.name for run in runs), "worst Linf 8/255", "worst case"))
    assert "49.0-94.3" in text  # Wilson of 8 of 10


def test_what_is_piped_is_whole_whatever_the_width(runs, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = printed(40, lambda console: print_table(rows_of(runs[1]), console), terminal=False)
    header = next(line for line in text.splitlines() if line.startswith("system"))
    assert header.split() == list(HEADER)
    for row in rows_of(runs[1]):
        line = next(line for line in text.splitlines() if f" {row.attack} " in line)
        assert all(cell in line for cell in cells(row)[1:])


def test_a_name_wider_than_the_line_is_whole_when_piped(make_run, entry):
    run = load_runs([make_run(system="S" * 300, attacks=[entry("a" * 200, fell=(1,))], extras=False)])
    text = printed(80, lambda console: show(run, console), terminal=False)
    assert "S" * 300 in text
    assert "a" * 200 in text
    for width in (20, 40, 80):
        narrow = "".join(printed(width, lambda console: show(run, console)).split())
        assert "S" * 300 in narrow
        assert narrow.count("a") >= 200


def test_a_name_of_wide_letters_counts_by_its_columns(make_run, entry):
    run = load_runs([make_run(system="漢字漢字漢字", attacks=[entry("pgd", fell=(1,))], extras=False)])
    text = printed(80, lambda console: show(run, console))
    assert "漢字漢字漢字" in text
    assert json.dumps("80.0")[1:-1] in text
