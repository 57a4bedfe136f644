import numpy as np
import pytest

from sparsefront.figures.neuron import neuron_figure
from tests.helpers.drawn import drawn_texts


def test_a_neurons_activations_are_drawn_class_by_class():
    members = {"a": np.array([True, False, True]), "b": np.array([False, True, False])}
    (axes,) = neuron_figure({"original": np.array([1.0, 2.0, 3.0])}, members, 0).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1.0, 3.0], [2.0]]
    assert [line.get_xdata().tolist() for line in axes.lines] == [[0, 1], [2]]


def test_every_variant_has_a_panel_of_one_scale_and_no_variant_is_refused():
    members = {"a": np.array([True, False]), "b": np.array([False, True])}
    activations = {f"variant {number}": np.array([number, -number]) for number in range(1, 6)}
    figure = neuron_figure(activations, members, 7)
    drawn_texts(figure)
    assert [axes.get_title() for axes in figure.axes] == list(activations)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert figure.get_supylabel() == "activation of neuron 7"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    with pytest.raises(ValueError, match="`activations` must hold at least one variant, found none"):
        neuron_figure({}, members, 7)
