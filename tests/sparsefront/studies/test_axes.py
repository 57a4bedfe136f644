"""Settings that take several values: their product, their folders, and the systems of each point."""

from pathlib import Path

import pytest
import yaml

from sparsefront.cli import study
from sparsefront.studies import read_study
from sparsefront.studies.axes import Axis, points
from sparsefront.studies.system import System
from tests.helpers.places import CONFIGS

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")

BEHIND = {"fit": False, "settings": {"model": {"classifier_checkpoint": "{run_dir}/natural"}}}
SEEDS = {"seed_everything": [0, 1]}


def read(more=(), **content):
    Path("s.yaml").write_text(yaml.safe_dump({"run_dir": "runs/s"} | content, sort_keys=False))
    return read_study(Path("s.yaml"), None, more)


def test_points_are_the_product_of_axes_and_the_last_changes_fastest():
    found = points([Axis("model.frontend.bits", ("1", "2")), Axis("seed_everything", ("0", "1"))])
    assert [point.values for point in found] == [("1", "0"), ("1", "1"), ("2", "0"), ("2", "1")]
    assert found[2].label == "bits=2,seed_everything=0"
    assert found[2].arguments == ("--model.frontend.bits=2", "--seed_everything=0")


def test_settings_that_end_alike_are_told_apart():
    (point,) = points([Axis("model.frontend.sigma", ("1",)), Axis("model.classifier.sigma", ("2",))])
    assert point.label == "model.frontend.sigma=1,model.classifier.sigma=2"


def test_a_study_of_several_seeds_is_one_study_a_seed_whose_systems_need_each_other():
    found = read(["--data.val_size", "9"], axes=SEEDS, systems={"natural": {}, "behind": BEHIND})
    names = [f"{name}, seed_everything={seed}" for seed in (0, 1) for name in ("natural", "behind")]
    assert [system.name for system in found.systems] == names
    for seed in (0, 1):
        natural, behind = found.systems[2 * seed : 2 * seed + 2]
        home = Path(f"runs/s/seed_everything={seed}")
        assert (natural.folder, behind.folder) == (home / "natural", home / "behind")
        assert behind.needs == (natural,)
        assert natural.arguments == ["--data.val_size", "9", f"--seed_everything={seed}"]
        assert f"{home}/natural" in " ".join(behind.arguments)
    assert found.folder == Path("runs/s")


def test_one_system_may_take_several_values_and_be_tested_only():
    bits = BEHIND | {"axes": {"model.frontend.bits": [1, 2], "model.frontend.on": [True]}}
    natural, one, two = read(systems={"natural": {}, "bits": bits}).systems
    assert (one.name, one.folder) == ("bits, bits=1,on=true", Path("runs/s/bits/bits=1,on=true"))
    assert one.arguments[-2:] == ["--model.frontend.bits=1", "--model.frontend.on=true"]
    assert one.needs == two.needs == (natural,)
    assert not one.fit


def test_systems_that_differ_in_their_seeds_alone_share_a_name():
    own = {"settings": {}, "axes": {"model.frontend.learning.seed": [3, 4], "model.frontend.bits": [1, 2]}}
    found = read(axes=SEEDS, systems={"natural": {}, "bits": own}).systems
    assert {system.seedless_name for system in found} == {"natural", "bits, bits=1", "bits, bits=2"}
    assert [system.name for system in found if system.seedless_name == "bits, bits=2"] == [
        f"bits, seed_everything={seed}, seed={other},bits=2" for seed in (0, 1) for other in (3, 4)
    ]
    found = read(axes={"seed_everything": [0, 1], "data.val_size": [8, 9]}, systems={"natural": {}}).systems
    assert [system.seedless_name for system in found] == ["natural, val_size=8", "natural, val_size=9"] * 2


def test_a_system_without_an_axis_of_seeds_has_no_name_without_them():
    bits = BEHIND | {"axes": {"model.frontend.bits": [1, 2]}}
    found = read(axes={"data.val_size": [8, 9]}, systems={"natural": {}, "bits": bits}).systems
    assert {system.seedless_name for system in found} == {None}


def test_only_names_a_system_at_all_its_points_or_at_one():
    found = read(axes=SEEDS, systems={"natural": {}, "natural too": {}})
    assert [system.folder.name for system in found.pick(["natural"])] == ["natural", "natural"]
    (one,) = found.pick(["natural, seed_everything=1"])
    assert one.folder == Path("runs/s/seed_everything=1/natural")


@pytest.mark.parametrize("axes", [[1], {"seed_everything": 3}, {"seed_everything": []}, {3: [1]}])
def test_axes_of_another_form_are_refused(axes, capsys):
    for content in ({"axes": axes, "systems": {"a": {}}}, {"systems": {"a": {"axes": axes}}}):
        Path("s.yaml").write_text(yaml.safe_dump(content))
        assert study.main(["s.yaml"]) == 2
        assert "must be lists of values by the dotted names of settings, found" in capsys.readouterr().err


@pytest.mark.parametrize("of_a_system", [False, True])
def test_a_value_that_an_axis_has_twice_is_refused_by_the_name_of_its_setting(of_a_system, capsys):
    axes = {"axes": {"seed_everything": [0, 0]}}
    content = {"systems": {"a": axes}} if of_a_system else {"systems": {"a": {}}} | axes
    Path("s.yaml").write_text(yaml.safe_dump(content))
    assert study.main(["s.yaml"]) == 2
    rule = "`seed_everything` must have values with folders of their own, found seed_everything=0 twice; drop one."
    assert rule in capsys.readouterr().err


def test_a_system_that_is_neither_fitted_nor_tested_is_refused(capsys):
    Path("s.yaml").write_text("systems: {a: {fit: false, test: false}}")
    assert study.main(["s.yaml"]) == 2
    assert "`fit` or `test` of system `a` must be true, found both false" in capsys.readouterr().err


def test_the_demo_is_a_study_that_is_judged_by_the_validation_of_its_fits(monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    found = read_study(CONFIGS / "studies/demo.yaml")
    assert [(system.name, system.fit, system.stage) for system in found.systems] == [
        ("mnist5k_natural", True, "val"),
        ("mnist5k_top_t", True, "val"),
    ]


def test_systems_are_plain_values_that_travel():
    import pickle

    system = System("a", Path("s/a"), more=("--x", "1"), needs=(System("b", Path("s/b")),))
    assert pickle.loads(pickle.dumps(system)) == system
