import numpy as np
import pytest

from sparsefront.figures.panel import panel_figure
from sparsefront.results.run import Run
from tests.helpers.drawn import drawn_texts


def test_panel_says_scale_and_predictions(make_run):
    images = Run.load(make_run()).images | {"adv/pgd": np.full((2, 1, 6, 6), 0.5), "clean": np.full((2, 1, 6, 6), 0.25)}
    texts = drawn_texts(panel_figure(images, ["pgd"]))
    assert texts[:2] == ["true 0", "true 1"]
    assert "difference x 2" in texts  # 0.25 of change is spread to the whole half range
    assert texts.count("says 0 ✓") == 1
    assert texts.count("says 2 ✗") == 1
    assert len(panel_figure(images).axes[0].images) == 2 * (2 + 3 * 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_panel_takes_oblong_pictures_of_any_channels_without_front_end(channels):
    clean = np.zeros((3, channels, 5, 9))
    numbers = np.arange(3)
    images = {"clean": clean, "adv/a": clean, "label": numbers, "clean_pred": numbers, "pred/a": numbers}
    texts = drawn_texts(panel_figure(images))
    assert "difference: none" in texts
    assert not any("through" in text for text in texts)


def test_panel_without_pictures_is_refused():
    with pytest.raises(ValueError, match=r"`images` must have .*found no .*clean"):
        panel_figure({})
