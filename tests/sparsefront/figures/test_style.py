import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsefront.figures.style import LONGEST, dress, literal, new_figure


@given(st.lists(st.text(alphabet="ab$ ") | st.text(alphabet="a$", min_size=78, max_size=83)).map("\n".join))
def test_a_name_is_drawn_as_it_is_written_and_no_formula(text):
    drawn = literal(text)
    assert drawn.count("$") == drawn.count(r"\$")
    lines, shown = text.split("\n"), drawn.replace(r"\$", "$").split("\n")
    assert len(lines) == len(shown)
    for line, short in zip(lines, shown, strict=True):
        assert len(short) <= LONGEST
        assert short == line or (len(line) > LONGEST and short == line[: LONGEST - 1] + "…")


@pytest.mark.parametrize(("grid", "lined"), [("x", (True, False)), ("y", (False, True)), ("both", (True, True))])
def test_axes_have_a_grid_along_the_axis_asked_for_and_no_frame(grid, lined):
    axes = new_figure((2.0, 1.0)).add_subplot()
    dress(axes, grid)
    assert tuple(any(line.get_visible() for line in axis.get_gridlines()) for axis in (axes.xaxis, axes.yaxis)) == lined
    assert not any(side.get_visible() for side in axes.spines.values())
