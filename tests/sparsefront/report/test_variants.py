import io
from contextlib import redirect_stdout
from dataclasses import replace

import pytest
from rich.console import Console

from sparsefront.cli.report import main
from sparsefront.cli.show_runs import show
from sparsefront.report.html import render
from sparsefront.report.variant_tables import variant_tables
from sparsefront.results.representation_record import RepresentationRecord
from sparsefront.results.run import load_runs
from tests.helpers.made_up_record import EVIL, VARIANTS, a_record


@pytest.fixture(scope="module")
def runs(make_shared_run, entry):
    first = make_shared_run("a", system="DSC + LinearSVM", extras=False)
    a_record().write(first / "results", "val")
    second = make_shared_run("b", attacks=[entry("gray", "gray_box", fell=(1,))], system=EVIL, extras=False)
    a_record(256, 0.5, {"low_pass": VARIANTS["low_pass"]}).write(second / "results", "val")
    return [first, second, make_shared_run("c", system="without", extras=False)]


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    """What the command prints, its Markdown and its page."""
    out, printed = tmp_path_factory.mktemp("out"), io.StringIO()
    with redirect_stdout(printed):
        assert main([*map(str, runs), "--out", str(out / "r.html"), "--table", str(out / "t.md")]) == 0
    return printed.getvalue(), (out / "t.md").read_text(), (out / "r.html").read_text()


def test_the_tables_have_a_row_a_system_with_what_its_attacks_left(runs):
    accuracy, distance = variant_tables(load_runs(runs))
    assert accuracy.header == ("system", "n", "original", "adversarial", "low_pass", "white box", "worst case")
    # of ten samples nine are right, pgd left seven, fgsm eight, the gray box six, all together five; b's gray box eight
    assert accuracy.rows == (
        (
            "DSC + LinearSVM",
            "8",
            "87.5 (53-98)",
            "50.0 (22-78)",
            "62.5 (31-86)",
            "70.0 (40-89, n = 10)",
            "50.0 (24-76, n = 10)",
        ),
        (EVIL, "8", "87.5 (53-98)", "", "62.5 (31-86)", "", "80.0 (49-94, n = 10)"),
    )
    assert distance.rows == (("DSC + LinearSVM", "0.250", "0.250"), (EVIL, "", "0.500"))
    assert "mean standard deviation of a neuron" in distance.note


def test_distances_of_other_kinds_say_so(runs):
    one, other, _ = load_runs(runs)
    other = replace(other, representations=a_record(difference="rms"))
    assert "do not compare" in variant_tables([one, other])[1].note


def test_runs_without_variants_have_no_tables_of_them(runs):
    without = load_runs(runs[2:])
    assert variant_tables(without) == []
    assert "paper 003" not in render(without)


def test_the_command_prints_the_tables_and_writes_them_as_markdown(runs, written):
    printed, text, _ = written
    for title in ("Accuracy on the variants (paper 003, Figure 5)", "Representation distance (paper 003, Table 1)"):
        assert printed.index("worst case") < printed.index(title) < printed.index("DSC + LinearSVM: 90.0 % clean")
        assert f"\n**{title}**\n" in text
    assert "| DSC + LinearSVM | 8 | 87.5 (53-98) | 50.0 (22-78) |" in text
    file = io.StringIO()
    show(load_runs(runs), Console(file=file, width=60))
    assert EVIL in file.getvalue()


def test_the_page_shows_tables_and_figures_and_escapes_every_name(written):
    page = written[2]
    assert page.count("<h3>Accuracy on the variants (paper 003, Figure 5)</h3>") == 1
    for title in ("Selectivity", "Weights", "One neuron", "Reconstructions", "All neurons"):
        assert page.count(f"<h3>{title} (Figure ") == 2
    assert "<script" not in page
    assert len(page) < 5e6


def test_files_that_are_no_record_are_named(tmp_path):
    record, path = a_record(), tmp_path / "val_representations.json"
    assert RepresentationRecord.read(tmp_path, "val") is None
    record.write(tmp_path, "val")
    assert RepresentationRecord.read(tmp_path, "val").provenance == dict(record.provenance)
    a_record(n_samples=9).write(tmp_path, "val")
    with pytest.raises(ValueError, match=r"must have 9 samples, found 8; evaluate again"):
        RepresentationRecord.read(tmp_path, "val")
    path.write_text("{}")
    with pytest.raises(ValueError, match=r"must have the keys \['variants'"):
        RepresentationRecord.read(tmp_path, "val")
    path.write_text("no")
    with pytest.raises(ValueError, match="must be JSON"):
        RepresentationRecord.read(tmp_path, "val")
    record.write(tmp_path, "val")
    (tmp_path / "val_representations.npz").unlink()
    with pytest.raises(FileNotFoundError, match="is missing beside"):
        RepresentationRecord.read(tmp_path, "val")
