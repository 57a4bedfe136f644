from sparsefront.report.row import Row
from sparsefront.report.wide import to_wide_markdown
from sparsefront.results.share import Share


def test_a_wide_table_has_a_line_a_system_and_a_column_an_attack_with_the_worst_case_last():
    def row(attack, hits, **more):
        return Row("system", attack, "white_box", "", Share(9, 10), robust=Share(hits, 10), **more)

    worst = {"is_worst": True}
    rows = {
        "identity": [row("pgd", 3), row("worst case", 3, **worst)],
        "jpeg": [row("pgd", 5), row("eot", 4), row("worst gray box", 5, **worst), row("worst case", 2, **worst)],
    }
    rows["jpeg"].insert(2, Row("system", "failed", "white_box", "", Share(9, 10), error="OSError: no"))
    assert to_wide_markdown(rows, "front end").splitlines()[:4] == [
        "| front end | n | clean | pgd | eot | failed | worst gray box | worst case |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| identity | 10 | 90.0 | 30.0 |  |  |  | 30.0 |",
        "| jpeg | 10 | 90.0 | 50.0 | 40.0 |  | 50.0 | 20.0 |",
    ]


def test_a_protocol_has_one_column_of_what_is_left_in_the_end():
    def row(attack, hits, **more):
        return Row("system", attack, "white_box", "", Share(9, 10), robust=Share(hits, 10), **more)

    unmet = Row("system", "quick.last", "black_box", "", Share(9, 10), attacked=0, chain="quick")
    linked = [row("quick.apgd", 5, chain="quick"), row("quick.search", 3, chain="quick"), unmet]
    rows = {"jpeg": [row("fgsm", 7), *linked, row("worst case", 3, is_worst=True)]}
    assert to_wide_markdown(rows, "front end").splitlines()[:3:2] == [
        "| front end | n | clean | fgsm | quick | worst case |",
        "| jpeg | 10 | 90.0 | 70.0 | 30.0 | 30.0 |",
    ]


def test_quality_of_what_the_classifier_sees_has_columns_where_it_is_known():
    share = Share(9, 10)
    seen = Row("a", "pgd", "gray_box", "", share, robust=Share(3, 10), psnr=(30.0, 25.04))
    codes = Row("b", "pgd", "gray_box", "", share, robust=Share(4, 10))
    worst = Row("", "worst case", "", "", share, robust=Share(3, 10), is_worst=True)
    rows = {"1": [seen, worst], "2": [codes, worst]}
    header, _, *lines = to_wide_markdown(rows, "bits", psnr=True).splitlines()[:4]
    assert header == "| bits | n | clean | pgd | worst case | PSNR clean | PSNR pgd |"
    assert lines == ["| 1 | 10 | 90.0 | 30.0 | 30.0 | 30.0 | 25.0 |", "| 2 | 10 | 90.0 | 40.0 | 30.0 |  |  |"]
    assert "PSNR" not in to_wide_markdown({"2": [codes, worst]}, "bits", psnr=True)
