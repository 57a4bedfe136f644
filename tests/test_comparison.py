import sys
from pathlib import Path
from types import SimpleNamespace

from matplotlib.figure import Figure

from benchmarks.comparison import __main__ as comparison


def test_front_ends_of_one_class_get_a_picture_each_named_like_its_fragment(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    drawn = []

    def runs(folders, stage):
        same = {"name": "Compose + ConvNet", "completed": [SimpleNamespace(name="pgd")]}
        return [SimpleNamespace(images={"clean": [folder.name]}, **same) for folder in folders]

    def figure(images, attacks):
        drawn.append(*images["clean"])
        return Figure()

    monkeypatch.setattr(comparison, "_has_results", lambda folder: folder.name != "jpeg")
    monkeypatch.setattr(comparison, "_test", lambda *given: None)
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


def test_every_page_of_a_front_end_shows_the_picture_of_a_fragment():
    root = Path(__file__).parents[1]
    fragments = {path.stem for path in (root / "lightning_configs/frontends").glob("*.yaml")}
    for page in (root / "docs/frontends").glob("*.md"):
        shown = [
            line.split("(pictures/")[1].removesuffix(".png)")
            for line in page.read_text().splitlines()
            if "](pictures/" in line
        ]
        assert set(shown) <= fragments, page.name
