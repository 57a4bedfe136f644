import json

import numpy as np
import pytest

from sparsefront.results.result_files import read_json
from sparsefront.results.run import Run, load_runs


def test_everything_in_the_folder_is_read(make_run):
    run = Run.load(make_run())
    assert (run.stage, run.name, run.n, len(run.attacks)) == ("val", "TopT + ConvNet", 10, 3)
    assert run.samples.correct().tolist() == [True] * 9 + [False]
    assert run.samples.correct("pgd").tolist() == [False, False] + [True] * 7 + [False]
    assert run.samples.success("fgsm").nonzero()[0].tolist() == [1]
    assert np.isnan(run.metrics["train/loss"]).tolist() == [False, True, False]
    assert run.images["atoms"].shape == (5, 1, 4, 4)
    assert run.config == "model: <b>bold</b>\n"


def test_test_results_come_before_validation_unless_asked(make_run):
    folder = make_run()
    make_run(stage="test")
    assert Run.load(folder).stage == "test"
    assert Run.load(folder, "val").stage == "val"


def test_newest_version_with_results_is_taken(make_run, tmp_path):
    make_run("run/version_2")
    newest = make_run("run/version_10")
    (tmp_path / "run/version_11").mkdir()
    assert Run.load(tmp_path / "run").folder == newest


def test_optional_files_may_be_absent(make_run):
    run = Run.load(make_run(extras=False))
    assert (run.images, run.metrics, run.config) == ({}, {}, None)


def test_missing_folder_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not there"):
        Run.load(tmp_path / "nowhere")


@pytest.mark.parametrize(("stage", "verb"), [("val", "validate"), ("test", "test"), (None, "test or validate")])
def test_missing_results_name_the_file_and_the_command(tmp_path, stage, verb):
    with pytest.raises(
        FileNotFoundError, match=rf"results holds no .*{stage or 'val'}_samples.csv; `sparsefront {verb} "
    ):
        Run.load(tmp_path, stage)


def test_missing_attacks_file_names_it(make_run):
    folder = make_run()
    (folder / "results/val_attacks.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"val_attacks.json is missing; `sparsefront validate"):
        Run.load(folder)


def test_unknown_stage_is_refused(make_run):
    with pytest.raises(ValueError, match="`stage` must be 'val' or 'test', found 'train'"):
        Run.load(make_run(), "train")


def _rewrite(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("val_samples.csv", "fgsm/pred", "other/pred", "fgsm/pred"),
        ("val_samples.csv", "100,0,0,1,", "100,0,0,,", "no empty cell in .*pgd/pred"),
        ("val_samples.csv", "100,0,0,1,", "100,0,0,one,", "one number a cell"),
        ("val_samples.csv", "100,0,0,1,", "100,0,0,", "one number a cell"),
        ("val_attacks.json", '"n_samples": 10', '"n_samples": 11', "11 rows, found 10"),
        ("val_attacks.json", '"system"', '"sistem"', "keys .*system"),
        ("val_attacks.json", "{", "[", "JSON"),
        ("val_attacks.json", '"name": "pgd"', '"nam": "pgd"', "`attacks` must have a name"),
    ],
)
def test_files_that_contradict_each_other_are_refused(make_run, file, old, new, message):
    folder = make_run()
    _rewrite(folder / "results" / file, old, new)
    with pytest.raises(ValueError, match=message):
        Run.load(folder)


def test_broken_picture_file_is_refused(make_run):
    folder = make_run()
    (folder / "results/val_images.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(ValueError, match=r"val_images.npz must be an npz file"):
        Run.load(folder)


def test_systems_of_one_name_are_told_apart_by_folder(make_run):
    folders = [make_run("a/version_0"), make_run("b/version_0"), make_run("c", system="Identity + ConvNet")]
    names = [run.name for run in load_runs(folders)]
    assert names == ["TopT + ConvNet (a/version_0)", "TopT + ConvNet (b/version_0)", "Identity + ConvNet"]


def test_a_folder_given_twice_counts_once(make_run):
    folder = make_run()
    assert [run.name for run in load_runs([folder, folder / "results" / ".."])] == ["TopT + ConvNet"]


def test_no_folder_is_refused():
    with pytest.raises(ValueError, match="`folders` must name at least one"):
        load_runs([])


def test_attack_settings_are_spelled_in_the_fields_units(make_run, entry):
    folder = make_run(attacks=[entry("a", eps=8 / 255), entry("b", eps="8/255"), entry("c", eps=0.6, norm="L2")])
    a, b, c = Run.load(folder).attacks
    assert a.call == b.call == "PGD(norm=Linf, eps=8/255, steps=3)"
    assert c.call == "PGD(norm=L2, eps=0.6, steps=3)"
    assert a.adversary == "white box, smooth"
    about = json.loads((folder / "results/val_attacks.json").read_text())
    assert about["attacks"][0]["attack"]["init_args"]["eps"] == pytest.approx(8 / 255)


def test_texts_that_are_compared_stay_as_they_are(tmp_path):
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"command": "two  blanks\nand a \x1b line"}))
    assert read_json(file, ("command",), "mend", to_show=False).value["command"] == "two  blanks\nand a \x1b line"
    assert read_json(file, ("command",), "mend").value["command"] == r"two blanks and a \x1b line"


@pytest.mark.parametrize("name", ["version_\u00b2", "version_\u0663", "version_", "version_-1", "version_1x"])
def test_a_folder_that_is_numbered_otherwise_is_no_version(make_run, tmp_path, name):
    make_run(f"run/{name}")
    with pytest.raises(FileNotFoundError, match="holds no"):
        Run.load(tmp_path / "run")
