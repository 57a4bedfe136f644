import numpy as np
import pytest
from matplotlib.patches import Rectangle

from sparsefront.figures.variants import variants_figure
from sparsefront.results.share import Share


def test_bars_are_the_shares():
    figure = variants_figure({"a": {"original": Share(9, 10), "noise": Share(5, 10)}, "b": {"original": Share(1, 4)}})
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert sorted(bar.get_width() for bar in bars) == [25, 50, 90]


def test_whiskers_are_wilsons_intervals():
    figure = variants_figure({"a": {"original": Share(9, 10)}})
    ((start, end),) = figure.axes[0].collections[0].get_segments()
    centre, half = (0.9 + 1.96**2 / 20) / (1 + 1.96**2 / 10), 1.96 / (1 + 1.96**2 / 10)
    half *= np.sqrt(0.9 * 0.1 / 10 + 1.96**2 / 400)
    np.testing.assert_allclose([start[0], end[0]], [100 * (centre - half), 100 * (centre + half)], rtol=1e-4)


def test_no_system_is_refused():
    with pytest.raises(ValueError, match="`systems` must hold at least one system, found none"):
        variants_figure({})
