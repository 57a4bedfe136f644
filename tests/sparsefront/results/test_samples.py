"""Rows of samples: what is written is read, and the worst case is counted sample by sample."""

import csv

import numpy as np
import pytest

from sparsefront.results.samples import ROUNDING, Samples

ATTACKS = ("a", "b")


@pytest.fixture
def samples():
    """200 samples of 3 classes under two attacks, drawn at random; those wrong from the start have no size."""
    rng = np.random.default_rng(0)
    columns = {
        "index": rng.permutation(200),
        "label": rng.integers(3, size=200),
        "clean_pred": rng.integers(3, size=200),
    }
    correct = columns["clean_pred"] == columns["label"]
    for name in ATTACKS:
        columns[f"{name}/pred"] = rng.integers(3, size=200)
        columns[f"{name}/success"] = correct & (columns[f"{name}/pred"] != columns["label"])
        for norm in ("linf", "l2", "l1"):
            columns[f"{name}/{norm}"] = np.where(correct, rng.random(200, dtype=np.float32), np.float32(np.nan))
    columns["fell"] = rng.random(200) < 0.1
    return Samples(columns)


def test_what_is_written_is_read_to_the_last_bit(samples, tmp_path):
    samples.write(tmp_path / "rows.csv")
    again = Samples.read(tmp_path / "rows.csv")
    assert list(again.columns) == list(samples.columns)
    for name, column in samples.columns.items():
        assert again.columns[name].dtype == np.float64
        np.testing.assert_array_equal(again.columns[name].astype(column.dtype), column)
    again.write(tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_the_worst_case_agrees_with_counting_row_by_row(samples, tmp_path):
    samples.write(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    right = [all(row[column] == row["label"] for column in ("clean_pred", "a/pred", "b/pred")) for row in rows]
    worst = [stands and row["fell"] == "0" for stands, row in zip(right, rows, strict=True)]
    for read in (samples, Samples.read(tmp_path / "rows.csv")):
        assert read.standing(ATTACKS).tolist() == right
        assert read.worst().tolist() == read.worst(ATTACKS).tolist() == worst
        assert read.attacked("a").tolist() == [row["a/linf"] != "" for row in rows]
        assert read.success("b").tolist() == [row["b/success"] == "1" for row in rows]


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
def test_inside_a_ball_only_what_was_found_there_counts(samples, norm):
    radius = 0.5
    column = samples.columns["a/" + norm.lower()]
    column[:2] = radius * (1 + ROUNDING / 2), radius * (1 + 2 * ROUNDING)  # on its edge up to rounding, and beyond it
    expected = []
    for place in range(len(samples)):
        row = {name: values[place] for name, values in samples.columns.items()}
        found = [
            row[f"{name}/pred"] != row["label"] and row[f"{name}/{norm.lower()}"] <= radius * (1 + ROUNDING)
            for name in ATTACKS
        ]
        expected.append(bool(row["clean_pred"] == row["label"] and not any(found)))
    assert samples.standing_inside(ATTACKS, norm, radius).tolist() == expected


def test_a_record_without_falls_has_none(samples):
    del samples.columns["fell"]
    assert not samples.fallen.any()
    assert samples.worst().tolist() == samples.standing(ATTACKS).tolist()


def test_parts_are_joined_by_rising_index_and_lose_what_some_part_lacks(samples):
    order = samples.columns["index"].argsort()
    first, second = samples.rows(range(120)), samples.rows(range(120, 200))
    joined = Samples.joined([second, Samples(), first])
    for name, column in samples.columns.items():
        np.testing.assert_array_equal(joined.columns[name], column[order])
    for name in [name for name in second.columns if name.startswith("b/")]:
        del second.columns[name]
    assert Samples.joined([first, second]).attacks == ["a"]
    assert len(Samples.joined([])) == 0


def test_columns_that_are_not_there_are_written_empty(samples):
    cells = samples.rows([0, 1]).cells(["label", "c/pred"])
    assert cells == [[str(label), ""] for label in samples.columns["label"][:2]]
