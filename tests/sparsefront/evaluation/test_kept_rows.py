"""What is taken over from interrupted evaluations is what they wrote, all of it, and nothing else."""

import csv
import itertools
import json
import os
from pathlib import Path

import pytest

from sparsefront.evaluation.partial import DIGEST
from tests.helpers.linear_rig import rows, run
from tests.sparsefront.evaluation.test_resume import about, interrupted, named, resumed

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def kept(folder, name="rows.0.csv"):
    found = sorted(folder.rglob(f"val_partial/{name}"))
    assert len(found) == 1
    return found[0]


def edited(path, change):
    """Let a function change the rows of a CSV file, given as dicts."""
    with path.open() as file:
        lines = list(csv.DictReader(file))
    change(lines)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def flip(column, *numbers):
    def change(lines):
        for number in numbers:
            value = lines[number][column]
            lines[number][column] = str(1 - int(value)) if value in "01" else str(float(value or 1) * 2)

    return change


def swap(first, second, column):
    def change(lines):
        lines[first][column], lines[second][column] = lines[second][column], lines[first][column]

    return change


@pytest.mark.parametrize(
    ("change", "sample"),
    [
        (flip("pulled/pred", 3), 103),
        (flip("pulled/pred", *range(3, 11)), 103),  # verdicts edited by hand, many of them
        (flip("clean_pred", 4), 104),
        (flip("label", 0), 100),
        (flip("pulled/linf", 5), 105),
        (flip("fell", 6), 106),
        (flip("pulled/success", 7), 107),
        (swap(1, 2, DIGEST), 101),
        (lambda lines: lines[2].update(index="117"), 117),
        (lambda lines: lines[2].update({DIGEST: ""}), 102),
    ],
)
def test_a_row_that_was_edited_is_refused_with_its_file_and_its_number(tmp_path, change, sample):
    interrupted(tmp_path)
    edited(kept(tmp_path), change)
    with pytest.raises(ValueError, match=rf"`resume_from`.* sample {sample} in .*rows\.0\.csv"):
        resumed(tmp_path)


def test_a_row_of_another_evaluation_is_refused(tmp_path):
    """Copied from one of other attacks, whose columns have the same names."""
    interrupted(tmp_path / "one")
    attack, _ = named(113, eps=0.2)
    with pytest.raises(SystemExit):
        run(tmp_path / "other", "validate", [attack])
    kept(tmp_path / "one").write_text(kept(tmp_path / "other").read_text())
    with pytest.raises(ValueError, match=r"`resume_from`.* sample 100 in"):
        run(tmp_path, "validate", [named()[0]], resume_from=str(tmp_path / "one"))


def test_rows_without_digests_are_refused(tmp_path):
    interrupted(tmp_path)
    edited(kept(tmp_path), lambda lines: [line.pop(DIGEST) for line in lines])
    with pytest.raises(ValueError, match=r"`resume_from`.*columns.*rows\.0\.csv"):
        resumed(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pulled": {"seconds": "x"}}', "null", '{"pulled": {"pulse": 1}}', "\0"]
)
def test_costs_that_cannot_be_read_are_named_and_the_rows_are_taken_over(tmp_path, text):
    before = interrupted(tmp_path)
    kept(tmp_path, "costs.0.json").write_text(text)
    attack, met = named()
    with pytest.warns(UserWarning, match=r"costs\.0\.json"):
        again = run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    assert not set(before) & set(met)
    assert rows(again, "val") == rows(run(tmp_path / "whole", "validate", [named()[0]]), "val")


def test_without_a_file_of_costs_the_rows_are_taken_over(tmp_path):
    interrupted(tmp_path)
    kept(tmp_path, "costs.0.json").unlink()
    attack, met = named()
    run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    assert len(met) < 18


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_fingerprint_is_named(tmp_path, text):
    interrupted(tmp_path)
    kept(tmp_path, "about.json").write_text(text)
    with pytest.raises(ValueError, match=r"`resume_from`.*about\.json"):
        resumed(tmp_path)


def test_all_interrupted_parts_are_read_and_costs_counted_once(tmp_path):
    """Each part is stopped at another sample, the first ones late: no sample that one of them has is attacked again."""
    met = [*interrupted(tmp_path, 117), *interrupted(tmp_path, 105, resume_from=None)]
    again = interrupted(tmp_path, 119, resume_from=str(tmp_path))
    attack, last = named()
    done = run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    assert not set(met) & set(again + last)
    assert len(set(met) | set(again) | set(last)) == 18
    whole = run(tmp_path / "whole", "validate", [named()[0]])
    assert rows(done, "val") == rows(whole, "val")
    # The second part attacked what the first had; that work was done, and is counted.
    (cost,), (alone,) = about(done)["attacks"], about(whole)["attacks"]
    assert cost["attacked"] == len(met) + len(again) + len(last)
    assert cost["forwards"] == alone["forwards"] * cost["attacked"] // 18


def test_what_was_taken_over_is_not_lost_with_the_folder_it_came_from(tmp_path):
    first = interrupted(tmp_path / "first", 117)
    second = interrupted(tmp_path / "second", 100 + 17, resume_from=str(tmp_path / "first"))
    (tmp_path / "first").rename(tmp_path / "elsewhere")
    attack, last = named()
    done = run(tmp_path / "third", "validate", [attack], resume_from=str(tmp_path / "second"))
    assert not set(first) & set(last)
    assert about(done)["attacks"][0]["attacked"] == len(first) + len(second) + len(last) == 18


def test_parts_of_other_attacks_beside_do_not_matter(tmp_path):
    before = interrupted(tmp_path)
    attack, _ = named(109, eps=0.2)
    with pytest.raises(SystemExit):
        run(tmp_path, "validate", [attack])
    attack, met = named()
    run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    assert not set(before) & set(met)


def test_columns_come_in_the_same_order_as_without_an_interruption(tmp_path):
    interrupted(tmp_path)
    again, whole = resumed(tmp_path), run(tmp_path / "whole", "validate", [named()[0]])
    headers = [Path(one.log_dir, "results/val_samples.csv").read_text().splitlines()[0] for one in (again, whole)]
    assert headers[0] == headers[1]


def test_saved_images_of_several_parts_are_taken_from_where_they_are(tmp_path):
    for at, before in [(109, None), (117, str(tmp_path))]:
        interrupted(tmp_path, at, save_images=True, resume_from=before)
    again = resumed(tmp_path, save_images=True)
    whole = run(tmp_path / "whole", "validate", [named()[0]], save_images=True)
    assert rows(again, "val") == rows(whole, "val")


def test_every_file_is_whole_at_any_moment(tmp_path, monkeypatch):
    """Costs and fingerprint are written beside and renamed."""
    replaced, replace = itertools.count(), os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (next(replaced), replace(*paths))[1])
    interrupted(tmp_path)
    assert next(replaced) > 3
    assert json.loads(kept(tmp_path, "costs.0.json").read_text())["pulled"]["attacked"] > 0
