from sparsefront.figures.representation_figures import representation_figures
from sparsefront.results.representation_record import RepresentationRecord
from tests.helpers.made_up_record import a_record


def test_all_figures_of_the_paper_are_there_with_axes_named():
    shown = representation_figures(a_record(), "a system")
    assert [one.key for one in shown] == ["variants", "selectivity", "weights", "neuron", "reconstructions", "profiles"]
    for one in shown:
        words = [text.get_text() for text in one.figure.texts] + [axes.get_xlabel() for axes in one.figure.axes]
        assert any(words) or one.key == "reconstructions"
    partial = a_record()
    arrays = {name: array for name, array in partial.arrays.items() if not name.startswith(("training", "picture"))}
    keys = [one.key for one in representation_figures(RepresentationRecord(partial.provenance, arrays), "s")]
    assert keys == ["variants", "weights", "neuron", "profiles"]
