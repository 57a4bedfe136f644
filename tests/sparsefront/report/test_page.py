import re

import numpy as np
import pytest

from sparsefront.cli.report import main
from sparsefront.cli.show_runs import report
from sparsefront.report.html import _intervals, render
from sparsefront.report.row import rows_of
from sparsefront.results.run import load_runs
from tests.helpers.html_page import Page

EVIL = "--></svg><script>alert(\"x\")</script> $a_1$ & 'q'"


@pytest.fixture(scope="module")
def folders(make_shared_run, entry):
    attacks = [
        entry(EVIL, fell=(0, 1)),
        entry("gray", "gray_box", fell=(1, 2, 3)),
        entry("bad", error="Error: <i>no</i>"),
    ]
    return [make_shared_run("a", attacks=attacks, system=EVIL), make_shared_run("b", attacks=attacks, extras=False)]


@pytest.fixture(scope="module")
def page(folders):
    text = render(load_runs(folders))
    return text, Page(text)


def test_nothing_is_fetched_from_elsewhere(page):
    text, parsed = page
    loads = [value for name, value in parsed.attributes if name.split(":")[-1] in ("src", "href", "srcset", "data")]
    assert loads
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in loads)
    assert re.findall(r"url\((?!#)", text) == []
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text


def test_names_are_text_and_never_tags(page):
    text, parsed = page
    assert "<script" not in text
    assert "<i>" not in text
    assert EVIL in parsed.text
    assert "failed: Error: <i>no</i>" in parsed.text
    assert "model: <b>bold</b>" in parsed.text


def test_figures_have_words_and_no_two_ids_are_the_same(page):
    _, parsed = page
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    known = {f"#{value}" for value in ids}
    used = {value for name, value in parsed.attributes if name == "xlink:href" and value.startswith("#")}
    used |= {value for _, text in parsed.attributes for value in re.findall(r"url\((#[^)]*)\)", text)}
    assert used
    assert used <= known
    words = [value for name, value in parsed.attributes if name == "aria-label"]
    # accuracy, two of sizes, two by size, curves, two panels, atoms; and the table's region
    assert len(words) == parsed.tags.count("svg") + 1 == 10
    assert all(words)


def test_headline_comes_first_then_cautions_then_the_table(page):
    _, parsed = page
    places = [
        parsed.text.index(part) for part in (": 90.0 % clean, 50.0 % worst", "may be masked", "Every attack", "a <box>")
    ]
    assert places == sorted(places)


def test_systems_stand_side_by_side_by_the_quality_of_what_they_let_see(make_run, entry):
    attacks = [entry("pgd", fell=(0,)), entry("unseen")]
    runs = load_runs([make_run(name, attacks=attacks, extras=False) for name in ("a", "b")])
    for run in runs:
        run.samples.columns.update({"pgd/psnr": np.full(10, 20.0), "clean_psnr": np.full(10, 30.0)})
    text = render(runs)
    assert text.count('aria-label="Quality and accuracy of systems under pgd"') == 1
    assert text.count('aria-label="Quality and accuracy of systems under') == 1
    assert "Quality and robustness" in Page(text).text
    assert not _intervals(rows_of(runs[0]))  # there is nothing to compare it with


def test_the_strongest_is_one_that_enters_the_worst_case(make_run, entry):
    attacks = [entry("df", fell=range(9)) | {"in_worst_case": False}, entry("pgd", fell=(0,))]
    out = report([make_run(attacks=attacks)], make_run("page") / "page.html")
    assert "<summary>pgd (the strongest)</summary>" in out.read_text()


def test_same_runs_give_the_same_page(folders, page):
    assert render(load_runs(folders)) == page[0]


def test_no_run_is_refused():
    with pytest.raises(ValueError, match="`runs` must hold at least one"):
        render([])


def test_report_writes_whole_page_into_new_folder(make_run, tmp_path):
    out = report([make_run(extras=False)], tmp_path / "new" / "page.html")
    assert out.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]


def test_failed_report_leaves_the_old_page(make_run, tmp_path):
    folders = [make_run("a"), make_run("b")]
    out = tmp_path / "page.html"
    out.write_text("old")
    (folders[0] / "results/val_attacks.json").unlink()
    with pytest.raises(FileNotFoundError):
        report(folders, out)
    assert out.read_text() == "old"


def test_command_prints_table_and_ends_with_the_path(make_run, tmp_path, capsys):
    out, table = tmp_path / "r.html", tmp_path / "tables" / "t.csv"
    assert main([str(make_run()), "--out", str(out), "--table", str(table)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == str(out)
    assert any(line.split()[:2] == ["worst", "case"] for line in lines)
    assert any(line.startswith("Caution: TopT + ConvNet, gray box: at Linf 8/255") for line in lines)
    assert table.read_text().startswith("system,attack,")


def test_a_markdown_table_carries_what_is_said_of_it(make_run, tmp_path, capsys):
    table = tmp_path / "t.md"
    assert main([str(make_run()), "--out", str(tmp_path / "r.html"), "--table", str(table)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("TopT + ConvNet:", "Caution:"))]
    assert len(said) > 1
    assert [line[2:] for line in table.read_text().splitlines()[-len(said) :]] == said


def test_command_ends_in_one_sentence_when_a_run_is_missing(tmp_path, capsys):
    assert main([str(tmp_path / "none"), "--out", str(tmp_path / "r.html")]) == 1
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "is not there" in printed.err
    assert not (tmp_path / "r.html").exists()


def test_command_refuses_a_table_of_unknown_kind(make_run, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main([str(make_run()), "--table", str(tmp_path / "t.xlsx")])
    assert "`--table` must end in .md or .csv" in capsys.readouterr().err
