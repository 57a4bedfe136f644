import numpy as np
import pytest

from sparsefront.figures.profiles import profiles_figure
from tests.helpers.drawn import drawn_texts


def test_each_image_is_a_column_and_each_variant_a_row():
    profiles = {
        "Eve (image 3)": {"original": np.array([1.0, 2.0, 0.0]), "noise": np.array([3.0, 0.0, 1.0])},
        "others (image 5)": {"original": np.array([0.0, 1.0, 5.0]), "noise": np.array([2.0, 2.0, 2.0])},
    }
    figure = profiles_figure(profiles, 1)
    drawn_texts(figure)
    bars = [axes.patches[0].get_data() for axes in figure.axes]
    assert [values.values.tolist() for values in bars] == [[1, 2, 0], [3, 0, 1], [0, 1, 5], [2, 2, 2]]
    assert all(values.edges.tolist() == [-0.5, 0.5, 1.5, 2.5] for values in bars)
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [axes.get_title() for axes in figure.axes] == ["Eve (image 3)", "", "others (image 5)", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["original", "noise", "", ""]
    assert all(axes.lines[0].get_xdata() == [1, 1] for axes in figure.axes)  # the neuron pointed at
    assert len({axes.get_ylim() for axes in figure.axes}) == 1


def test_no_image_is_refused():
    with pytest.raises(ValueError, match="`profiles` must hold at least one image, found none"):
        profiles_figure({}, 0)
