import sys
from types import SimpleNamespace

import pytest
import torch
import yaml
from matplotlib.figure import Figure

from benchmarks.comparison import __main__ as comparison
from sparsefront.frontends import CropEnsemble
from sparsefront.results.run import load_runs
from tests.helpers.places import ROOT
from tests.helpers.whole_runs import leave_test


def test_front_ends_of_one_class_get_a_picture_each_named_like_its_fragment(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    drawn = []

    def runs(folders, stage):
        same = {"name": "Compose + ConvNet", "completed": [SimpleNamespace(name="pgd")]}
        return [SimpleNamespace(images={"clean": [folder.name]}, **same) for folder in folders]

    def figure(images, attacks):
        drawn.append(*images["clean"])
        return Figure()

    monkeypatch.setattr(comparison, "check", lambda args: None)
    monkeypatch.setattr(comparison, "run_by", lambda *given: {"jpeg": "its test failed"})
    monkeypatch.setattr(comparison, "has_results", lambda folder: folder.name in ("compose", "crop_ens"))
    monkeypatch.setattr(comparison, "_write", lambda *given: None)
    monkeypatch.setattr(comparison, "load_runs", runs)
    monkeypatch.setattr(comparison, "panel_figure", figure)
    names = ["crop_ens", "jpeg", "compose"]
    setting = "benchmarks/comparison/pictures.yaml"
    monkeypatch.setattr(
        sys, "argv",
        ["comparison", "--name", "pictures", "--setting", setting, "--pictures", str(tmp_path), "--frontends", *names],
    )  # fmt: skip
    comparison.main()
    assert drawn == ["compose", "crop_ens"]
    assert {path.name for path in tmp_path.iterdir()} == {"compose.png", "crop_ens.png"}


def test_every_page_of_a_front_end_shows_pictures_of_a_fragment_or_its_atoms():
    fragments = {path.stem for path in (ROOT / "lightning_configs/frontends").glob("*.yaml")}
    fragments |= {f"{fragment}_atoms" for fragment in fragments}
    for page in (ROOT / "docs/frontends").glob("*.md"):
        shown = [
            line.split("(pictures/")[1].removesuffix(".png)")
            for line in page.read_text().splitlines()
            if "](pictures/" in line
        ]
        assert set(shown) <= fragments, page.name


def crops_within(setting):
    """The settings of each CropEnsemble in a fragment, as far inside as it may be."""
    if setting["class_path"] == "sparsefront.frontends.CropEnsemble":
        return [setting["init_args"]]
    return [found for part in setting.get("init_args", {}).get("parts", []) for found in crops_within(part)]


@pytest.mark.parametrize("folder", ["mnist5k", "pictures"])
@pytest.mark.parametrize(("fragment", "number"), [("crop_ensemble", 1), ("crop_ens", 3)])
def test_crops_of_digits_hold_the_20_pixels_that_they_are_drawn_in(folder, fragment, number):
    whole = yaml.safe_load((ROOT / f"benchmarks/comparison/{folder}/{fragment}.yaml").read_text())
    crops = crops_within(whole["model"]["frontend"])
    assert len(crops) == number
    box = torch.zeros(1, 1, 28, 28)
    box[..., 4:24, 4:24] = 1
    for settings in crops:
        # Resized, a crop shows the box larger by 28 / 24.
        areas = CropEnsemble((1, 28, 28), **settings)(box.expand(50, 1, 28, 28)).sum(dim=(1, 2, 3)) * (24 / 28) ** 2
        torch.testing.assert_close(areas, torch.full_like(areas, 400), atol=15, rtol=0)


def test_published_figures_stand_below_ours_in_the_columns_they_have(tmp_path):
    (tmp_path / "published.csv").write_text("front end,clean,pgd,cw\nSTL (paper),82.85,1.5,70\n")
    head = "| front end | n | clean | cw | fgsm |\n| --- | ---: | ---: | ---: | ---: |\n"
    ours = f"{head}| stl | 9 | 80.0 | 50.0 | 1.0 |\n\n% of n\n"
    text = comparison.with_published(ours, tmp_path / "published.csv")
    assert text == ours.replace("\n\n%", "\n| STL (paper) |  | 82.85 | 70 |  |\n\n%")


@pytest.mark.parametrize("name", ["vanilla", "retrained"])
def test_published_columns_are_attacks_of_their_setting(name):
    setting = ROOT / f"benchmarks/comparison/paper002_{name}.yaml"
    attacks = {attack["name"] for attack in yaml.safe_load(setting.read_text())["attacks"]}
    columns = setting.with_suffix(".csv").read_text().splitlines()[0].split(",")
    assert set(columns[2:]) <= attacks


def test_no_row_is_published_without_its_cautions(tmp_path, monkeypatch):
    monkeypatch.setattr(comparison, "HERE", tmp_path)
    leave_test(tmp_path / "runs/crop_ens", whole=False)
    comparison._write(load_runs([tmp_path / "runs/crop_ens"]), "table", tmp_path / "none.csv")
    assert "\n- Caution: crop_ens: " in (tmp_path / "results/table.md").read_text()
