from sparsefront.report.protocol_rows import one_row_a_protocol
from sparsefront.report.row import Row
from sparsefront.results.share import Share


def linked(attack, hits=None, **more):
    robust = None if hits is None else Share(hits, 10)
    return Row("system", attack, "white_box", "", Share(9, 10), robust=robust, chain="quick", **more)


FIRST = linked("quick.apgd", 5, psnr=(40.0, 20.0))
ALONE = Row("system", "pgd", "white_box", "", Share(9, 10), robust=Share(7, 10), chain="mine")


def test_a_protocol_is_one_row_of_what_it_left_and_of_what_its_first_attack_showed():
    unmet = linked("quick.last", attacked=0)
    rows = one_row_a_protocol([ALONE, FIRST, linked("quick.search", 3, psnr=(30.0, 10.0)), unmet])
    assert [row.attack for row in rows] == ["pgd", "quick"]
    assert rows[0] is ALONE
    assert (rows[1].robust, rows[1].psnr, rows[1].unmet) == (Share(3, 10), (40.0, 20.0), False)


def test_a_protocol_of_which_an_attack_failed_has_no_share():
    failed = linked("quick.search", error="OSError: no")
    for rows in ([FIRST, failed, linked("quick.last", 4)], [failed, FIRST]):
        (row,) = one_row_a_protocol(rows)
        assert (row.attack, row.robust, row.error) == ("quick", None, "OSError: no")
