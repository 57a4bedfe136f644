"""The configuration files that come with the package are found by their names wherever the command is called."""

import json
from pathlib import Path

import pytest

from sparsefront.cli.command import main
from sparsefront.common.packaged_configs import FOLDER, packaged_names, with_packaged
from sparsefront.studies import read_study
from tests.helpers.places import CONFIGS


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def called(*words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    return ended.value.code


@pytest.mark.parametrize("name", ["base.yaml", "experiments/mnist5k_top_t.yaml", "lightning_configs/base.yaml"])
def test_a_name_stands_for_the_packaged_file(name):
    assert Path(with_packaged(name)).samefile(CONFIGS / name.removeprefix("lightning_configs/"))


def test_a_file_in_the_working_folder_comes_first():
    Path("base.yaml").write_text("run_dir: mine\n")
    assert with_packaged("base.yaml") == "base.yaml"


@pytest.mark.parametrize(
    "name", ["nowhere.yaml", "/base.yaml", "../lightning_configs/base.yaml", "{a: b}", "experiments", "~/base.yaml"]
)
def test_any_other_name_stays_as_it_is(name):
    assert with_packaged(name) == name


def test_a_command_takes_them(capsys):
    assert called("fit", "--config", "experiments/mnist5k_top_t.yaml", "--model.frontend.top_tt", "3") == 2
    assert "`top_tt` is no setting of TopT" in capsys.readouterr().err


def test_a_study_takes_them():
    assert read_study(Path("studies/mnist5k.yaml")).systems


def changed_copy(folder):
    """A copy of the configuration files in which the base has another `run_dir`."""
    assert called("configs", "copy", folder) == 0
    Path(folder, "base.yaml").write_text("run_dir: changed\n")
    return Path(folder)


def first_config(study):
    return read_study(study).systems[0].layers[0]


@pytest.mark.parametrize("working_folder", [".", "mine", "mine/studies"])
def test_a_study_in_a_copy_reads_the_fragments_of_the_copy(tmp_path, monkeypatch, working_folder):
    copy = changed_copy("mine").absolute()
    monkeypatch.chdir(tmp_path / working_folder)
    assert first_config(copy / "studies/mnist5k.yaml").settings == {"run_dir": "changed"}


def test_a_copy_wins_over_the_folder_of_configuration_files_in_the_working_folder():
    copy = changed_copy("mine")
    Path("lightning_configs").symlink_to(CONFIGS)
    assert first_config(copy / "studies/mnist5k.yaml").settings == {"run_dir": "changed"}
    assert first_config(Path("lightning_configs/studies/mnist5k.yaml")).word == "lightning_configs/base.yaml"


def test_a_study_beside_its_fragments_reads_them():
    copy = changed_copy("mine")
    (copy / "studies/mnist5k.yaml").rename(copy / "own.yaml")
    assert first_config(copy / "own.yaml").settings == {"run_dir": "changed"}


def test_a_study_in_no_copy_reads_packaged_fragments_and_its_own_paths_as_before():
    copy = changed_copy("mine")
    Path("data").mkdir()
    Path("data/mnist5k.yaml").write_text("data: {class_path: MNIST5k}\n")
    (copy / "data/mnist5k.yaml").write_text("data: {class_path: FashionMNIST}\n")
    own = "configs: [lightning_configs/base.yaml]\nsystems: {a: {}}\n"
    Path("own.yaml").write_text(own)
    assert Path(first_config(Path("own.yaml")).word).samefile(CONFIGS / "base.yaml")
    (copy / "studies/own.yaml").write_text(own.replace("lightning_configs/base.yaml", "data/mnist5k.yaml"))
    assert first_config(copy / "studies/own.yaml").word == "data/mnist5k.yaml"


def test_they_are_listed(capsys):
    assert called("configs") == 0
    listed = capsys.readouterr().out.split()
    assert listed == packaged_names() == sorted(one.relative_to(CONFIGS).as_posix() for one in CONFIGS.rglob("*.yaml"))


def test_they_are_written_out(tmp_path):
    assert called("configs", "copy", "mine") == 0
    assert {one.relative_to("mine").as_posix() for one in Path("mine").rglob("*.yaml")} == set(packaged_names())
    assert Path("mine/base.yaml").read_text() == (FOLDER / "base.yaml").read_text()


def test_they_are_not_written_over_files_of_the_users(capsys):
    Path("mine").mkdir()
    Path("mine/base.yaml").write_text("my: own\n")
    assert called("configs", "copy", "mine") == 2
    assert "`DIR` must be a folder that is not there yet or is empty, found mine" in capsys.readouterr().err
    assert Path("mine/base.yaml").read_text() == "my: own\n"


def test_settings_in_the_place_of_a_file_are_no_name_however_long_they_are():
    settings = json.dumps({"trainer": {"max_epochs": 0.5}, "note": "x" * 5000})
    assert with_packaged(settings) == settings
