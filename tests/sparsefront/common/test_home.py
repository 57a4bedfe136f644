"""`~` is the home folder wherever a path may stand."""

import sys
from pathlib import Path

import pytest
import torch
import yaml

from sparsefront import DefendedClassifier, FrontEndCache
from sparsefront.classifiers import ConvNet
from sparsefront.cli.command import main
from sparsefront.cli.report import main as report
from sparsefront.cli.study import main as study
from sparsefront.cli.sweep import main as sweep
from sparsefront.common.home import at_home
from sparsefront.studies.study_file import read_study

pytestmark = pytest.mark.filterwarnings("ignore")
SMALL = [
    "--model.classifier", "ConvNet", "--model.frontend", "BitDepth", "--data", "MNIST5k", "--data.val_size", "5",
    "--data.batch_size", "100", "--trainer.accelerator", "cpu", "--trainer.max_epochs", "1",
    "--trainer.limit_train_batches", "1", "--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1",
    "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    yield tmp_path / "home"
    assert not [path for path in (tmp_path / "work").iterdir() if "~" in path.name]


def assert_same(one, other):
    state = other.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in one.state_dict().items())


@pytest.mark.parametrize("text", ["a", "./~", "a/~", "a~", "/~/x", ""])
def test_other_paths_stay_what_they_are(text):
    assert at_home(text) == text


def test_a_path_keeps_its_kind(home):
    assert at_home("~/x") == str(home / "x")
    assert at_home(Path("~/x")) == home / "x"
    assert at_home("~") == str(home)
    assert at_home("~nobody-of-that-name/x") == "~nobody-of-that-name/x"


def test_a_run_lives_at_home_and_is_found_there(home, capsys):
    attack = "{name: saved, attack: {class_path: FGSM}}"
    fit = main(["fit", *SMALL, "--run_dir", "~/runs", "--frontend_cache.folder", "~/cache", "--attacks+", attack,
                "--evaluation.pictures.save_images", "true", "--evaluation.max_samples", "2"])  # fmt: skip
    version = home / "runs/version_0"
    assert Path(fit.trainer.log_dir) == version
    assert list((home / "cache").glob("*/rows.npy"))
    assert "~" not in (version / "config.yaml").read_text()
    folder = "~/runs/version_0/results/val_adversarial/saved"
    saved = f"{{name: again, attack: {{class_path: SavedImages, init_args: {{folder: {folder}}}}}}}"
    other = "{name: other, attack: {class_path: FGSM}, view: {class_path: Transfer, init_args: {checkpoint: ~/runs}}}"
    tested = main(["validate", "--config", "~/runs/version_0/config.yaml", "--ckpt_path", "~/runs/version_0",
                   "--attacks", f"[{saved}, {other}]", "--run_dir=~/other"])  # fmt: skip
    assert_same(tested.model, fit.model)
    about = (home / "other/version_0/results/val_attacks.json").read_text()
    assert '"error": null' in about
    assert '"error": "' not in about
    taken = main(["test", *SMALL, "--model.classifier_checkpoint", "~/runs/version_0/checkpoints/last.ckpt",
                  "--run_dir", "~/third"])  # fmt: skip
    assert_same(taken.model, fit.model)
    assert (
        report(["~/runs", "~/other", "--stage", "val", "--out", "~/page/report.html", "--table", "~/page/t.csv"]) == 0
    )
    assert {path.name for path in (home / "page").iterdir()} == {"report.html", "t.csv"}


@pytest.mark.parametrize(
    ("setting", "kind"),
    [("root", "ImageFolder"), ("root", "FaceIdentification"), ("root", "CIFAR10"), ("root", "MNIST")],
)
def test_data_lie_at_home(home, setting, kind, capsys):
    download = ["--data.reading.download", "false"] if kind in ("CIFAR10", "MNIST") else []
    with pytest.raises(SystemExit):
        main(["fit", *SMALL, "--data", kind, f"--data.{setting}", "~/data", *download])
    assert str(home / "data") in capsys.readouterr().err


def test_python_knows_it_too(home):
    torch.save(ConvNet(1, 10).state_dict(), home / "net.pt")
    DefendedClassifier(ConvNet, classifier_checkpoint="~/net.pt")
    assert FrontEndCache("~/cache").folder == str(home / "cache")


def test_so_do_studies_and_sweeps(home, capsys, monkeypatch):
    (home / "common.yaml").write_text("model: {classifier: ConvNet}")
    content = {"run_dir": "~/study", "configs": ["~/common.yaml"], "systems": {"a": None}}
    (home / "study.yaml").write_text(yaml.safe_dump(content))
    study_read = read_study(Path("~/study.yaml"))
    folder, systems = study_read.folder, study_read.systems
    assert folder == home / "study"
    assert systems[0].folder == home / "study/a"
    assert read_study(home / "study.yaml", Path("~/given")).folder == home / "given"
    content["systems"]["b"] = {"settings": {"model": {"classifier_checkpoint": "~/study/a/version_0"}}}
    (home / "study.yaml").write_text(yaml.safe_dump(content))
    assert [other.name for other in read_study(home / "study.yaml").systems[1].needs] == ["a"]
    assert study(["~/nowhere.yaml"]) == 2
    assert str(home / "nowhere.yaml") in capsys.readouterr().err
    tested = []
    monkeypatch.setattr("sparsefront.cli.sweep.check", lambda *args: None)
    monkeypatch.setattr(
        "sparsefront.cli.sweep.run_by",
        lambda workers, given, systems: tested.extend(one.folder for one in systems) or {},
    )
    sweep(["--setting", "model.frontend.bits", "--values", "3", "--run_dir", "~/sweep", *SMALL])
    assert tested == [home / "sweep/bits=3"]
