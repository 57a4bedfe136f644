import pytest

from sparsefront.report.plots import interval_attacks, interval_figure
from tests.helpers.drawn import a_row, drawn_texts


def test_an_interval_goes_from_accuracy_under_attack_to_accuracy_without_at_the_psnr_under_attack():
    rows = [a_row(3, (40.0, 25.0)), a_row(6, (30.0, 22.0), system="b"), a_row(6, system="codes")]
    figure = interval_figure(rows, "gray")
    drawn_texts(figure)
    bars = [line.get_xydata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert bars == [[[25, 30], [25, 90]], [[22, 60], [22, 90]]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    with pytest.raises(ValueError, match="`attack` must be one that some row has a PSNR of, found 'pgd'"):
        interval_figure(rows, "pgd")


def test_systems_are_compared_under_attacks_that_two_have_met_the_gray_box_first():
    pair = (40.0, 25.0)
    rows = [a_row(3, pair, "pgd"), a_row(3, pair), a_row(3, pair, "alone"), a_row(3, None, "codes")]
    rows += [a_row(3, pair, "pgd", "b"), a_row(3, pair, system="b"), a_row(3, None, "codes", "b")]
    assert interval_attacks(rows) == ["gray", "pgd"]
