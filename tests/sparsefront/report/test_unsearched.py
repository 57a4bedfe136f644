"""What a worst case does not rest on is said wherever it stands."""

import io
import json

import pytest
import yaml
from rich.console import Console

from sparsefront.attacks import AutoAttack, NamedAttack
from sparsefront.cli.show_runs import show, write_table
from sparsefront.report.html import render
from sparsefront.report.plots import accuracy_figure
from sparsefront.report.row import rows_of
from sparsefront.report.sentences import headline
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.run import Run, load_runs
from tests.helpers.html_page import Page
from tests.helpers.places import CONFIGS

PROBE = {"flag": "zero_gradients", "adversary": "white box, exact", "raised": False, "sentence": "none is zero."}
ROWS_ONLY = {"flag": "black_box_stronger", "adversary": "black box", "raised": False, "sentence": "fools 1 of 9."}


def square(entry, name="square", fell=(), kind="Square", **settings):
    found = entry(name, fell=fell, **settings) | {"knowledge": "black_box", "asks_only": True}
    found["attack"]["class_path"] = kind
    return found


def run_of(make_run, attacks, signs=(), name="run"):
    folder = make_run(name, attacks=attacks, extras=False)
    path = folder / "results/val_attacks.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"diagnostics": list(signs)}))
    return Run.load(folder)


def test_a_worst_case_of_white_boxes_alone_says_so_in_terminal_markdown_page_and_row(make_run, entry, tmp_path):
    run = run_of(make_run, [entry("pgd", fell=(1,))], [ROWS_ONLY])
    said = "Caution: this worst case rests on no black box and no diagnostics"
    file = io.StringIO()
    show([run], Console(file=file))
    assert said in file.getvalue()
    assert "over 1 attack, no black box, no diagnostics" in file.getvalue()
    write_table([run], tmp_path / "t.md")
    write_table([run], tmp_path / "t.csv")
    table = (tmp_path / "t.md").read_text()
    assert said in table
    assert "| worst case | over 1 attack, no black box, no diagnostics |" in table
    assert "no black box, no diagnostics" in (tmp_path / "t.csv").read_text()
    page = Page(render([run]))
    assert said in page.text[: page.text.index("Every attack")]
    assert "over 1 attack, no black box, no diagnostics" in page.text
    assert ("class", "headline caution") in page.attributes


def test_a_black_box_and_a_probe_leave_nothing_to_say(make_run, entry):
    run = run_of(make_run, [entry("pgd", fell=(1,)), square(entry)], [PROBE])
    assert "Caution" not in headline(run)
    assert rows_of(run)[-1].lacking == ()


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        (lambda entry: [square(entry)], ()),
        (lambda entry: [square(entry) | {"error": "OSError: no"}], ("no black box",)),  # it did not end
        (lambda entry: [square(entry) | {"in_worst_case": False}], ("no black box",)),
        (lambda entry: [square(entry) | {"asks_only": False}], ("no black box",)),  # it asks another model
        (lambda entry: [entry("gray", "gray_box"), entry("transfer", "transfer")], ("no black box",)),
        (lambda entry: [entry("noise") | {"knowledge": "control", "in_worst_case": False}], ("no black box",)),
        (lambda entry: [square(entry) | {"knowledge": "white_box"}], ()),  # a part of it does, as of AutoAttack
    ],
)
def test_only_who_asks_the_deployed_model_is_a_black_box(make_run, entry, change, lacking):
    run = run_of(make_run, [entry("pgd", fell=(1,)), *change(entry)], [PROBE])
    assert rows_of(run)[-1].lacking == lacking
    assert ("no black box" in headline(run)) == bool(lacking)


def test_autoattack_without_square_is_no_black_box(make_run, entry):
    ensemble = entry("aa")
    ensemble |= AttackRecord.of(NamedAttack("aa", AutoAttack(version="rand")), "smooth").written()
    assert rows_of(run_of(make_run, [ensemble], [PROBE]))[-1].lacking == ("no black box",)


def test_a_black_box_of_one_ball_says_nothing_of_another(make_run, entry):
    attacks = [entry("pgd", fell=(1,)), entry("l2", eps=1.5, norm="L2"), square(entry)]
    run = run_of(make_run, attacks, [PROBE])
    rows = {row.attack: row for row in rows_of(run)}
    assert rows["worst Linf 8/255"].lacking == ()
    assert rows["worst L2 1.5"].lacking == ("no black box",)
    assert rows["worst case"].lacking == ()
    assert "rests on no black box within L2 1.5;" in headline(run)


def test_a_black_box_that_looks_for_the_smallest_perturbation_counts_inside_its_ball(make_run, entry):
    boundary = square(entry, "boundary", kind="Boundary") | {"in_worst_case": False}
    boundary |= {"budget": None, "minimises": "L2"}
    run = run_of(make_run, [entry("pgd"), entry("l2", eps=1.5, norm="L2"), square(entry), boundary], [PROBE])
    assert "Caution" not in headline(run)


def test_without_a_worst_case_there_is_nothing_to_say(make_run, entry):
    run = run_of(make_run, [entry("bad", error="OSError: no")])
    assert "Caution" not in headline(run)


def test_the_shipped_studies_and_the_demo_have_a_black_box_and_diagnostics():
    configs = CONFIGS
    files = [
        configs / "studies/mnist5k.yaml",
        *(configs / f"experiments/mnist5k_{name}.yaml" for name in ("natural", "top_t")),
    ]
    for file in files:
        found = yaml.safe_load(file.read_text())
        found = found.get("settings", found)
        assert any(entry["attack"]["class_path"] == "sparsefront.attacks.Standard" for entry in found["attacks"]), file
        assert found["evaluation"]["diagnostics"] > 0, file


def test_an_attack_that_met_no_sample_has_no_number_anywhere(make_run, entry, tmp_path):
    folder = make_run(attacks=[entry("all", fell=range(9)), entry("none")])
    path = folder / "results/val_samples.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    for line in lines[1:]:
        for column, name in enumerate(lines[0]):
            if name in ("none/linf", "none/l2", "none/l1"):
                line[column] = ""
            if name == "none/pred":
                line[column] = line[lines[0].index("all/pred")]
    path.write_text("\n".join(map(",".join, lines)) + "\n")
    runs = load_runs([folder])
    row = {row.attack: row for row in rows_of(runs[0])}["none"]
    assert (row.robust, row.success, row.unmet, row.attacked) == (None, None, True, 0)
    write_table(runs, tmp_path / "t.md")
    write_table(runs, tmp_path / "t.csv")
    assert "| none | white box, smooth | 10 | 90.0 | – | – | – |" in (tmp_path / "t.md").read_text()
    line = next(line for line in (tmp_path / "t.csv").read_text().splitlines() if ",none," in line)
    assert ",,,," in line
    assert line.endswith(",True,0")
    page = render(runs)
    assert "<summary>none" not in page
    assert Page(page).text.count("–") >= 3
    (axes,) = accuracy_figure(rows_of(runs[0])).axes
    assert "– (met no sample)" in [text.get_text() for text in axes.texts]
