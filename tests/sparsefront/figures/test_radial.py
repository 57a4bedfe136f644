import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.figures.radial import Ring, radial_figure


def test_circles_hold_every_neuron_on_one_scale_and_name_one():
    figure = radial_figure(
        [Ring("a", np.arange(5.0), "red", np.ones(5)), Ring("b", -np.arange(5.0), "blue")], "activation", 3
    )
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    for axes in figure.axes:
        assert len(axes.lines[0].get_xdata()) == 6  # closed
        assert [text.get_text() for text in axes.texts] == ["neuron 3"]


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 60), share=st.floats(0, 1, exclude_max=True))
def test_neurons_go_round_evenly_and_marks_stand_at_their_numbers(count, share):
    neuron = int(share * count)
    (axes,) = radial_figure([Ring("a", np.arange(float(count)), "red")], "weight", neuron).axes
    angles, values = axes.lines[0].get_data()
    np.testing.assert_allclose(angles[:-1], [2 * np.pi * number / count for number in range(count)])
    assert values.tolist() == [*range(count), 0]
    assert axes.lines[1].get_data()[0] == pytest.approx(2 * np.pi * neuron / count)
    marks = {label.get_text(): place for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)}
    for name, place in marks.items():
        assert place == pytest.approx(2 * np.pi * int(name or neuron) / count)
        assert 0 <= int(name or neuron) < count


def test_no_circle_is_refused():
    with pytest.raises(ValueError, match="`rings` must hold at least one, found none"):
        radial_figure([], "weight", 0)
