"""The report of a study of several seeds; its results are made up, so that their mean can be counted by hand."""

import csv
from pathlib import Path

import pytest
import yaml

from sparsefront.cli import study
from sparsefront.studies import turn
from tests.helpers.whole_runs import leave_fit, leave_test

RIGHT = {"seed_everything=0": 4, "seed_everything=1": 3, "seed_everything=2": 2}  # of four samples


@pytest.fixture(autouse=True)
def faked(tmp_path, monkeypatch):
    def run(verb, folder, arguments, shown=False):
        folder.mkdir(parents=True, exist_ok=True)
        if verb == "fit":
            leave_fit(folder)
        else:
            right = RIGHT[folder.parent.name]
            leave_test(folder, predictions=[1] * right + [0] * (4 - right))
        return True

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(turn, "separate_run", run)
    monkeypatch.setattr(study, "check", lambda args: None)


def studied(**content):
    Path("s.yaml").write_text(yaml.safe_dump({"run_dir": "s", "systems": {"natural": {}}} | content))
    return study.main(["s.yaml"])


def test_every_table_of_the_report_has_the_mean_over_seeds_and_the_rows_of_each_seed(capsys):
    assert studied(axes={"seed_everything": [0, 1, 2]}) == 0
    printed, table, page = capsys.readouterr().out, Path("s/table.md").read_text(), Path("s/report.html").read_text()
    for text in (printed, table, page):
        assert "Mean over seeds" in text
        assert "75.0 ± 25.0" in text
        assert all(f"natural, seed_everything={seed}" in text.replace("\\_", "_") for seed in (0, 1, 2))
    assert "| natural | 3 | 75.0 ± 25.0 |" in table
    with Path("s/seeds.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["system"], row["attack"], row["seeds"]) == ("natural", "no attack", "3")
    assert [float(row[name]) for name in ("mean", "standard_deviation", "lowest", "highest")] == [0.75, 0.25, 0.5, 1]
    with Path("s/table.csv").open() as file:
        assert [float(row["clean"]) for row in csv.DictReader(file)] == [1, 0.75, 0.5]


def test_the_report_of_a_study_without_seeds_has_no_mean_over_them(capsys, monkeypatch):
    monkeypatch.setitem(RIGHT, "s", 3)
    assert studied() == 0
    assert "over seeds" not in capsys.readouterr().out
    assert "over seeds" not in Path("s/report.html").read_text()
    assert not Path("s/seeds.csv").exists()
