import io

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from sparsefront.figures.atoms import _mosaic, _roughness, atoms_figure
from sparsefront.figures.curves import curves_figure
from sparsefront.figures.panel import panel_figure
from sparsefront.figures.pixels import thin, to_rgb
from sparsefront.report.plots import (
    accuracy_figure,
    interval_attacks,
    interval_figure,
    robustness_figure,
    setting_figure,
    sizes_figure,
)
from sparsefront.report.row import Row, rows_of
from sparsefront.results.run import Run, load_runs
from sparsefront.results.share import Share


def _drawn(figure):
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_bars_are_the_rows_and_failures_have_none(make_run, entry):
    attacks = [entry("pgd $x$", fell=(0,)), entry("gray", "gray_box"), entry("bad", error="OSError: no")]
    runs = load_runs([make_run("a", attacks=attacks), make_run("b", attacks=attacks)])
    figure = accuracy_figure([row for run in runs for row in rows_of(run)])
    texts = _drawn(figure)
    (axes,) = figure.axes
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert sorted(round(bar.get_width()) for bar in bars) == [80] * 4 + [90] * 4
    assert [bool(bar.get_hatch()) for bar in bars] == [False] * 4 + [True] * 2 + [False] * 2
    assert texts.count("failed") == 2
    assert [label.get_text() for label in axes.get_yticklabels()][1] == "pgd \\$x\\$\nwhite box, smooth"


def test_bars_of_attacks_outside_the_worst_case_are_pale(make_run, entry):
    attacks = [entry("pgd"), entry("noise") | {"knowledge": "control", "in_worst_case": False}]
    figure = accuracy_figure(rows_of(*load_runs([make_run("a", attacks=attacks)])))
    _drawn(figure)
    (axes,) = figure.axes
    opacity = {
        round(patch.get_y() + patch.get_height() / 2): patch.get_facecolor()[3]
        for patch in axes.patches
        if isinstance(patch, Rectangle)
    }
    names = [label.get_text().split("\n")[0] for label in axes.get_yticklabels()]
    assert {name: opacity[place] < 1 for place, name in enumerate(names)} == {
        "no attack": False, "pgd": False, "noise": True, names[-1]: False
    }  # fmt: skip


def test_long_names_of_systems_leave_room_for_the_bars():
    rows = [row(3, system=f"GaussianBlur + ConvNet (sigma={number}.5/version_0)") for number in range(5)]
    figure = accuracy_figure(rows)
    _drawn(figure)
    assert figure.axes[0].get_position().width > 0.5


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="`rows`"):
        accuracy_figure([])


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
    _drawn(figure)
    lines = {line.get_label(): line.get_xydata().tolist() for axes in figure.axes for line in axes.lines}
    assert lines == {"train/loss": [[0, 3], [2, 2]], "val/robust_acc/pgd": [[1, 0.1], [3, 0.2]]}


def test_a_run_without_training_has_no_curves():
    assert curves_figure({}) is None
    assert curves_figure({"step": np.array([0.0]), "val/clean_acc": np.array([0.9])}) is None


def test_panel_says_scale_and_predictions(make_run):
    images = Run.load(make_run()).images | {"adv/pgd": np.full((2, 1, 6, 6), 0.5), "clean": np.full((2, 1, 6, 6), 0.25)}
    texts = _drawn(panel_figure(images, ["pgd"]))
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
    texts = _drawn(panel_figure(images))
    assert "difference: none" in texts
    assert not any("through" in text for text in texts)


def test_panel_without_pictures_is_refused():
    with pytest.raises(ValueError, match=r"`images` must have .*found no .*clean"):
        panel_figure({})


def test_smooth_atoms_come_first():
    checks = np.indices((4, 4)).sum(0) % 2 * 2.0 - 1
    ramp = np.tile(np.arange(4.0), (4, 1))
    flat = np.ones((4, 4))
    atoms = np.stack([checks, ramp, flat, np.zeros((4, 4))])[:, None]
    rough = _roughness(atoms)
    assert rough[[3, 2, 1, 0]].tolist() == sorted(rough)
    assert rough[0] == 24 * 4 / 16  # 24 neighbouring pairs that differ by 2
    figure = atoms_figure(atoms)
    _drawn(figure)
    shown = figure.axes[0].images[0].get_array()
    assert (shown[:4, :4, 0] == 1).all()  # flat before the atom of zeros, for ties keep their order
    assert np.allclose(shown[:4, 5:9, 0], 0.5)
    assert np.allclose(shown[:4, 15:19, 0], checks / 2 + 0.5)


def test_mosaic_holds_each_atom_scaled_by_its_peak():
    atoms = np.arange(1.0, 4)[:, None, None, None] * np.array([[1.0, -1], [0, 0.5]])
    mosaic = _mosaic(atoms)
    assert mosaic.shape == (2, 8, 4)
    for place in (0, 3, 6):
        assert np.allclose(mosaic[:, place : place + 2, 0], [[1, 0], [0.5, 0.75]])
    assert (mosaic[:, [2, 5], 3] == 0).all()


@pytest.mark.parametrize("shape", [(4, 4), (0, 1, 4, 4)])
def test_atoms_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"`atoms` must have shape \(L, C, n, n\)"):
        atoms_figure(np.zeros(shape))


def test_many_atoms_are_thinned_and_the_title_says_so():
    figure = atoms_figure(np.random.default_rng(0).standard_normal((2000, 3, 3, 3)))
    assert figure.axes[0].get_title().startswith("1000 of 2000 atoms")


def test_sizes_are_quantiles_of_the_successful(make_run, entry):
    run = Run.load(make_run(attacks=[entry("a", fell=(0, 1, 2)), entry("b")]))
    figure = sizes_figure(run)
    _drawn(figure)
    medians = [axes.lines[0].get_xdata().tolist() for axes in figure.axes]
    assert medians == [[pytest.approx(0.02)], [pytest.approx(0.2)]]
    assert sizes_figure(Run.load(make_run("none", attacks=[entry("b")]))) is None


def test_large_pictures_keep_their_values_when_thinned():
    images = np.arange(300.0)[None, None, None].repeat(224, axis=2)
    assert thin(images).shape == (1, 1, 75, 100)
    assert thin(images)[0, 0, 0, :3].tolist() == [0, 3, 6]
    assert to_rgb(np.full((1, 1, 2, 2), 1.5)).max() == 1


def test_accuracy_by_size_falls_by_one_sample_at_each_successful_size(make_run, entry):
    run = Run.load(make_run(attacks=[entry("a", fell=(0, 2)), entry("b")]))
    axes = robustness_figure(run).axes[0]
    (line,) = axes.lines
    np.testing.assert_allclose(line.get_xdata(), [0, 0.01, 0.03])
    np.testing.assert_allclose(line.get_ydata(), [90, 80, 70])


def test_there_is_no_accuracy_by_size_where_nothing_fell(make_run, entry):
    assert robustness_figure(Run.load(make_run(attacks=[entry("a")]))) is None


def row(hits, psnr=None, attack="gray", system="a", clean=9, **more):
    knowledge = "gray_box" if attack == "gray" else "white_box"
    return Row(system, attack, knowledge, "", Share(clean, 10), robust=Share(hits, 10), psnr=psnr, **more)


def drawn_lines(axes):
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


def test_a_setting_is_drawn_from_its_rows_in_the_order_of_the_values():
    rows = {"2": [row(3, (30.0, 20.0))], "0.5": [row(5, (40.0, 25.0), clean=10)]}
    figure = setting_figure("sigma", rows)
    _drawn(figure)
    accuracy, psnr = figure.axes
    assert drawn_lines(accuracy) == {"no attack": [[0.5, 100], [2, 90]], "gray": [[0.5, 50], [2, 30]]}
    assert drawn_lines(psnr) == {"no attack": [[0.5, 40], [2, 30]], "gray": [[0.5, 25], [2, 20]]}
    assert (accuracy.get_xscale(), psnr.get_xlabel()) == ("linear", "sigma")
    ends = [100 * end for end in Share(3, 10).interval]
    assert any(np.allclose(whisker[:, 1], ends) for held in accuracy.collections for whisker in held.get_segments())


def test_a_setting_of_words_stands_side_by_side_and_what_failed_or_sees_codes_is_left_out():
    failed = Row("a", "white", "white_box", "", Share(9, 10), error="OSError: no")
    worst = row(2, attack="worst case", is_worst=True)
    rows = {"ormp": [row(3), row(4, attack="white"), worst], "omp": [row(5), failed, worst]}
    figure = setting_figure("rule", rows)
    _drawn(figure)
    (axes,) = figure.axes
    lines = {"no attack": [[0, 90], [1, 90]], "gray": [[0, 30], [1, 50]], "white": [[0, 40]]}
    assert drawn_lines(axes) == lines | {"worst case": [[0, 20], [1, 20]]}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ormp", "omp"]


def test_values_over_orders_of_magnitude_stand_on_a_logarithmic_axis():
    assert setting_figure("l", {"0.01": [row(3)], "1": [row(3)]}).axes[0].get_xscale() == "log"
    assert setting_figure("l", {"0": [row(3)], "1": [row(3)]}).axes[0].get_xscale() == "linear"
    with pytest.raises(ValueError, match="`rows` must hold at least one value"):
        setting_figure("l", {})


def test_an_interval_goes_from_accuracy_under_attack_to_accuracy_without_at_the_psnr_under_attack():
    rows = [row(3, (40.0, 25.0)), row(6, (30.0, 22.0), system="b"), row(6, system="codes")]
    figure = interval_figure(rows, "gray")
    _drawn(figure)
    bars = [line.get_xydata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert bars == [[[25, 30], [25, 90]], [[22, 60], [22, 90]]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    with pytest.raises(ValueError, match="`attack` must be one that some row has a PSNR of, found 'pgd'"):
        interval_figure(rows, "pgd")


def test_systems_are_compared_under_attacks_that_two_have_met_the_gray_box_first():
    pair = (40.0, 25.0)
    rows = [row(3, pair, "pgd"), row(3, pair), row(3, pair, "alone"), row(3, None, "codes")]
    rows += [row(3, pair, "pgd", "b"), row(3, pair, system="b"), row(3, None, "codes", "b")]
    assert interval_attacks(rows) == ["gray", "pgd"]


def test_metrics_without_steps_are_not_drawn():
    assert curves_figure({"train/loss": np.array([2.0, 1.0, 0.5])}) is None
