import numpy as np
import pytest

from sparsefront.report.plots import setting_figure
from sparsefront.report.row import Row
from sparsefront.results.share import Share
from tests.helpers.drawn import a_row, drawn_lines, drawn_texts


def test_a_setting_is_drawn_from_its_rows_in_the_order_of_the_values():
    rows = {"2": [a_row(3, (30.0, 20.0))], "0.5": [a_row(5, (40.0, 25.0), clean=10)]}
    figure = setting_figure("sigma", rows)
    drawn_texts(figure)
    accuracy, psnr = figure.axes
    assert drawn_lines(accuracy) == {"no attack": [[0.5, 100], [2, 90]], "gray": [[0.5, 50], [2, 30]]}
    assert drawn_lines(psnr) == {"no attack": [[0.5, 40], [2, 30]], "gray": [[0.5, 25], [2, 20]]}
    assert (accuracy.get_xscale(), psnr.get_xlabel()) == ("linear", "sigma")
    ends = [100 * end for end in Share(3, 10).interval]
    assert any(np.allclose(whisker[:, 1], ends) for held in accuracy.collections for whisker in held.get_segments())


def test_a_setting_of_words_stands_side_by_side_and_what_failed_or_sees_codes_is_left_out():
    failed = Row("a", "white", "white_box", "", Share(9, 10), error="OSError: no")
    worst = a_row(2, attack="worst case", is_worst=True)
    rows = {"ormp": [a_row(3), a_row(4, attack="white"), worst], "omp": [a_row(5), failed, worst]}
    figure = setting_figure("rule", rows)
    drawn_texts(figure)
    (axes,) = figure.axes
    lines = {"no attack": [[0, 90], [1, 90]], "gray": [[0, 30], [1, 50]], "white": [[0, 40]]}
    assert drawn_lines(axes) == lines | {"worst case": [[0, 20], [1, 20]]}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ormp", "omp"]


def test_values_over_orders_of_magnitude_stand_on_a_logarithmic_axis():
    assert setting_figure("l", {"0.01": [a_row(3)], "1": [a_row(3)]}).axes[0].get_xscale() == "log"
    assert setting_figure("l", {"0": [a_row(3)], "1": [a_row(3)]}).axes[0].get_xscale() == "linear"
    with pytest.raises(ValueError, match="`rows` must hold at least one value"):
        setting_figure("l", {})
