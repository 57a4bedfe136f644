import numpy as np

from sparsefront.figures.curves import curves_figure
from tests.helpers.drawn import drawn_texts


def test_curves_skip_blank_cells_and_other_metrics():
    nan = np.nan
    metrics = {
        "step": np.array([0.0, 1, 2, 3]),
        "train/loss": np.array([3, nan, 2, nan]),
        "val/robust_acc/pgd": np.array([nan, 0.1, nan, 0.2]),
        "val/clean_acc": np.array([nan, 0.9, nan, nan]),
        "lr": np.array([1.0, 1, 1, 1]),
    }
    figure = curves_figure(metrics)
    drawn_texts(figure)
    lines = {line.get_label(): line.get_xydata().tolist() for axes in figure.axes for line in axes.lines}
    assert lines == {"train/loss": [[0, 3], [2, 2]], "val/robust_acc/pgd": [[1, 0.1], [3, 0.2]]}


def test_a_run_without_training_has_no_curves():
    assert curves_figure({}) is None
    assert curves_figure({"step": np.array([0.0]), "val/clean_acc": np.array([0.9])}) is None


def test_metrics_without_steps_are_notdrawn_texts():
    assert curves_figure({"train/loss": np.array([2.0, 1.0, 0.5])}) is None
