"""Every YAML and every documented way through the real command line, on data that needs no download."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
import timm
import torch
import yaml
from safetensors.torch import save_file

import sparsefront.data
from sparsefront.cli.command import main
from sparsefront.model.defended import DefendedClassifier
from tests.helpers.places import CONFIGS

BASE = ["--config", str(CONFIGS / "base.yaml"), "--config", str(CONFIGS / "data/mnist5k.yaml")]
CONVNET = ["--config", str(CONFIGS / "classifiers/convnet.yaml")]
SMALL_TOP_T = [
    "--model.frontend", "TopT", "--model.frontend.n_atoms", "20", "--model.frontend.top_t", "3",
    "--model.frontend.decoder", "small", "--model.frontend.learning.n_iterations", "3",
    "--model.frontend.quantizer.eps", "0.05",
]  # fmt: skip
QUICK = [
    "--trainer.max_epochs", "1", "--trainer.limit_train_batches", "3", "--trainer.accelerator", "cpu",
    "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false", "--data.val_size", "21",
]  # fmt: skip
PGD2 = ["--attacks+", "{name: pgd, attack: {class_path: PGD, init_args: {eps: 0.1, steps: 2, n_restarts: 2}}}"]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]


def rows(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def has_its_data(fragment):
    """Whether the data class that a YAML names is there."""
    named = (yaml.safe_load(fragment.read_text()).get("data") or {}).get("class_path", "sparsefront.data.ImageData")
    return hasattr(sparsefront.data, named.rpartition(".")[2])


FRAGMENTS = [path for path in sorted(CONFIGS.glob("*/*.yaml")) if path.parent.name != "studies" and has_its_data(path)]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_yaml_is_accepted(fragment, capsys):
    whole = fragment.parent.name == "experiments"
    args = ["--config", str(fragment)] if whole else [*BASE, *CONVNET, "--config", str(fragment)]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *args, "--print_config"])
    assert stop.value.code == 0
    config = yaml.safe_load(capsys.readouterr().out)
    written = yaml.safe_load(fragment.read_text())
    if "attacks+" in written:
        assert config["attacks"][0]["name"] == written["attacks+"][0]["name"]
    variants = written.get("analysis", {}).get("variants", [])
    assert [variant["name"] for variant in config["analysis"]["variants"]] == [variant["name"] for variant in variants]


@pytest.mark.parametrize("experiment", ["mnist5k_natural", "mnist5k_top_t"])
def test_an_experiment_runs_whole(experiment):
    main(["fit", "--config", str(CONFIGS / f"experiments/{experiment}.yaml"), "--trainer.fast_dev_run", "1",
          "--data.val_size", "21", "--trainer.accelerator", "cpu"])  # fmt: skip


def test_fit_learns_trains_and_attacks_and_its_checkpoint_stands_alone(capsys):
    cli = main(["fit", *BASE, *CONVNET, *SMALL_TOP_T, *QUICK, *PGD2])
    assert bool(cli.model.frontend.learned)
    folder = Path(cli.trainer.log_dir)
    assert len(rows(folder / "results/val_samples.csv")) == 21
    assert not list(folder.rglob("*representations*"))  # no variant was asked for
    assert {"config.yaml", "metrics.csv"} <= {path.name for path in folder.iterdir()}

    again = DefendedClassifier.load_from_checkpoint("runs/default/version_0/checkpoints/last.ckpt", map_location="cpu")
    images = torch.rand(5, 1, 28, 28)
    assert torch.equal(again.eval()(images), cli.model.eval()(images))

    # A second run in the same folder, resumed: no second stage one, one epoch more, the first run's files untouched.
    before = (folder / "metrics.csv").read_text()
    dictionary = cli.model.frontend.dictionary.clone()
    more = main(
        ["fit", *BASE, *CONVNET, *SMALL_TOP_T, *QUICK, *PGD2, "--trainer.max_epochs", "2", "--ckpt_path", "last"]
    )
    assert torch.equal(more.model.frontend.dictionary, dictionary)
    assert more.trainer.current_epoch == 2
    assert Path(more.trainer.log_dir) != folder
    assert (folder / "metrics.csv").read_text() == before

    # validate (inference mode is Lightning's default there), test and predict from the checkpoint.
    for verb, stage in [("validate", "val"), ("test", "test")]:
        done = main([verb, *BASE, *CONVNET, *SMALL_TOP_T, *PGD2, "--ckpt_path", "last", "--data.val_size", "21",
                     "--trainer.limit_test_batches", "1", "--trainer.enable_progress_bar", "false"])  # fmt: skip
        assert f"{stage}/robust_acc/pgd" in done.trainer.callback_metrics
    done = main(["predict", *BASE, *CONVNET, *SMALL_TOP_T, "--ckpt_path", "last", "--data.val_size", "21",
                 "--trainer.limit_predict_batches", "2", "--trainer.enable_progress_bar", "false"])  # fmt: skip
    predicted = rows(Path(done.trainer.log_dir) / "predictions.csv")
    assert len(predicted) == 2 * done.datamodule.batch_size
    assert sum(float(predicted[0][f"probability_{k}"]) for k in range(10)) == pytest.approx(1, abs=1e-4)

    # A run's own config.yaml serves any verb; another trained model can be the surrogate.
    surrogate = "{name: t, attack: {class_path: FGSM}, view: {class_path: Transfer, init_args: {checkpoint: "
    surrogate += "runs/default}}}"
    moved = main(["test", "--config", str(folder / "config.yaml"), "--ckpt_path", "last", "--attacks+", surrogate,
                  "--trainer.limit_test_batches", "1"])  # fmt: skip
    about = json.loads((Path(moved.trainer.log_dir) / "results/test_attacks.json").read_text())
    assert [(entry["name"], entry["knowledge"], entry["error"]) for entry in about["attacks"]] == [
        ("pgd", "white_box", None),
        ("t", "transfer", None),
    ]

    # The dictionary alone can be taken over; another front end's is refused.
    taken = ["--model.frontend_checkpoint", "runs/default", "--run_dir", "runs/other"]
    other = main(["fit", *BASE, *CONVNET, *SMALL_TOP_T, *QUICK, *taken])
    assert torch.equal(other.model.frontend.dictionary, dictionary)
    shutil.move("runs/default", "runs/away")
    alone = DefendedClassifier.load_from_checkpoint("runs/other/version_0/checkpoints/last.ckpt", map_location="cpu")
    assert torch.equal(alone.frontend.dictionary, dictionary)
    shutil.move("runs/away", "runs/default")
    with pytest.raises(SystemExit):
        main(["fit", *BASE, *CONVNET, *SMALL_TOP_T, "--model.frontend.n_atoms", "30", *QUICK, *taken])

    # What the command line says holds, where other settings are allowed on purpose; another front end is named.
    path = ["--ckpt_path", "runs/default", "--trainer.limit_test_batches", "1"]
    eps = ["--model.frontend.quantizer.eps", "0.3"]
    assert "(model.frontend.quantizer.eps: 0.05 → 0.3)" in error_of(
        ["test", *BASE, *CONVNET, *SMALL_TOP_T, *eps, *path], capsys
    )
    eps += ["--may_differ", "[model.frontend.quantizer.eps]"]
    told = main(["test", *BASE, *CONVNET, *SMALL_TOP_T, *eps, *path])
    assert told.model.frontend.quantizer.eps == pytest.approx(0.3)
    assert len(rows(Path(told.trainer.log_dir) / "results/test_samples.csv")) == told.datamodule.batch_size
    assert "belongs to another front end or classifier" in error_of(["test", *BASE, *CONVNET, *path], capsys)


def error_of(args, capsys):
    with pytest.raises(SystemExit) as stop:
        main(args)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--model.frontend", "TopD"], "found TopD; did you mean TopT"),
        (["--model.classifier", "ConvNets"], "`model.classifier` must name a class of the project or one of yours"),
        (["--model.frontend", "TopT", "--model.frontend.decoder", "large"], "`decoder` of TopT must be one of"),
        (["--model.classifier", "Timm", "--model.classifier.model_name", "vit_tiny_patch16_224"], "`img_size` of Timm"),
        (["--trainer.accelerator", "gpu"], "gpu"),
        (["--run_dir", "/proc/x"], "`run_dir` must be a folder that can be written to, found /proc/x"),
        (["--model.frontend", "TopT", "--model.frontend.top_t", "501"], "`top_t` must be from 1 to `n_atoms` = 500"),
        (["--model.frontend", "TopT", "--model.frontend.patch_size", "29"], "`patch_size` must be from 1 to"),
        (["--model.frontend", "TopT", "--model.frontend.quantizer.eps=-1/255"], "`eps` must be >= 0"),
        (["--model.frontend", "TopT", "--model.frontend.topt", "3"], "`topt` is no setting of TopT; did you mean"),
        (
            [*SMALL_TOP_T, "--attacks", "[{name: p, attack: {class_path: PGD}, view: {class_path: WhiteBox, init_args: "
             "{backward: smooth, settings: {top_u: 2}}}}]"],
            "Attack 'p': `top_u` must be from `top_t` = 3",
        ),
        (["--attacks", "[{name: p, attack: {class_path: PGD, init_args: {eps: -0.1}}}]"], "PGD: `eps` must be >= 0"),
        (["--attacks", "[{name: p, attack: {class_path: PGD, init_args: {epsilon: 0.1}}}]"],
         "`epsilon` is no setting of PGD; did you mean eps"),
        (["--attacks", "[{name: p, attack: {class_path: PGD, init_args: {norm: L3}}}]"],
         "`norm` of PGD must be one of 'Linf', 'L2', 'L1', found L3"),
        (["--evaluation.pictures.n_images", "-1"], "`n_images` must be at least 0, found -1"),
        (["--attacks", "[{name: p, attack: {class_path: PGDD}}]"], "PGDD"),
        (["--attacks", "[{name: t, attack: {class_path: PGD}, view: {class_path: Transfer, init_args: "
          "{checkpoint: nowhere.ckpt}}}]"], "nowhere.ckpt"),
        (["--data", "ImageFolder", "--data.root", "nowhere"], "error: `root` must be a folder, found 'nowhere'"),
        (["--data", "CIFAR10", "--data.root", "nowhere", "--data.reading.download", "false"],
         "must hold CIFAR10, found no"),
        (["--model.frontend_checkpoint", "nowhere.ckpt"], "`frontend_checkpoint` must name a checkpoint file"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_ends_in_one_sentence_and_writes_nothing(args, message, capsys, tmp_path):
    error = error_of(["fit", *BASE, *CONVNET, *QUICK, *args], capsys)
    assert message in error
    assert "Traceback" not in error
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--ckpt_path", "last"], "`ckpt_path` last finds no checkpoint in runs/default;"),
        (["--ckpt_path", "nowhere.ckpt"], "`ckpt_path` must name a checkpoint file, found none at nowhere.ckpt"),
        (["--ckpt_path", str(Path(__file__))], "`ckpt_path` must be a whole checkpoint that `sparsefront fit` wrote"),
        (["--ckpt_path", "best"], "`ckpt_path` must be last, a file or a run's folder, found best"),
        (SMALL_TOP_T, "`ckpt_path` must name a checkpoint: part of TopT is trained with the classifier"),
    ],
)
def test_nothing_is_scored_without_the_weights_asked_for(args, message, capsys):
    assert message in error_of(["test", *BASE, *CONVNET, *args], capsys)


def test_variants_of_the_analysis_come_from_yaml_and_without_any_nothing_is_run(capsys):
    low = {
        "name": "low",
        "attack": {"class_path": "sparsefront.attacks.GaussianBlurControl", "init_args": {"sigma": 2.0}},
    }
    quick = ["--trainer.limit_test_batches", "1", "--data.batch_size", "8", "--trainer.accelerator", "cpu"]
    for run, analysis in (("with", {"variants": [low], "n_training": 0}), ("without", {"max_samples": 4})):
        Path("a.yaml").write_text(yaml.safe_dump({"analysis": analysis}))
        main(["test", *BASE, *CONVNET, *quick, "--config", "a.yaml", "--run_dir", run])
    (found,) = Path().rglob("*representations.json")
    assert found.is_relative_to("with")
    assert [(made["name"], made["attack"]) for made in json.loads(found.read_text())["variants"]] == [
        ("low", low["attack"] | {"class_path": "GaussianBlurControl"})
    ]
    twice = yaml.safe_dump({"analysis": {"variants": [low, low]}})
    Path("a.yaml").write_text(twice)
    error = error_of(["test", *BASE, *CONVNET, *quick, "--config", "a.yaml"], capsys)
    assert "`variants` must have names of their own other than 'original', found ['low'] more than once" in error


def test_a_checkpoint_does_not_ask_again_for_the_weights_that_its_classifier_began_with():
    save_file(timm.create_model("test_resnet").state_dict(), "begin.safetensors")
    network = ["--model.classifier", "Timm", "--model.classifier.model_name", "test_resnet"]
    cli = main(["fit", *BASE, *network, "--model.classifier.pretrained", "begin.safetensors", *QUICK])
    Path("begin.safetensors").unlink()
    again = DefendedClassifier.load_from_checkpoint("runs/default/version_0/checkpoints/last.ckpt", map_location="cpu")
    state = cli.model.classifier.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.classifier.state_dict().items())


def test_a_front_end_is_put_before_a_classifier_that_was_trained_without_it(capsys):
    """Stage one runs in `test`, the classifier's weights are the other run's, and what was learned is kept."""
    trained = main(["fit", *BASE, *CONVNET, *QUICK, "--run_dir", "natural"]).model.classifier.state_dict()
    behind = ["--model.classifier_checkpoint", "natural", "--run_dir", "behind"]
    ddl = ["--model.frontend", "DDL", "--model.frontend.n_atoms", "20", "--model.frontend.learning.n_iterations", "3"]
    cli = main(["test", *BASE, *CONVNET, *PGD2, *behind, *ddl, "--evaluation.max_samples", "3"])
    assert cli.model.frontend.learned
    assert all(torch.equal(tensor, trained[name]) for name, tensor in cli.model.classifier.state_dict().items())
    kept = torch.load("behind/version_0/checkpoints/frontend.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(tensor, kept[name]) for name, tensor in cli.model.frontend.state_dict().items())
    assert {"pgd/psnr", "clean_ssim"} <= set(rows(next(Path("behind").rglob("test_samples.csv")))[0])
    other = ["--config", str(CONFIGS / "classifiers/resnet32.yaml"), *behind]
    assert "belongs to another front end or classifier" in error_of(["test", *BASE, *other], capsys)


def test_a_frozen_front_end_runs_once_and_its_results_serve_a_resumed_run(capsys):
    cache = ["--config", str(CONFIGS / "training/frontend_cache.yaml"), "--data.test_size", "4900"]
    ddl = ["--model.frontend", "DDL", "--model.frontend.n_atoms", "20", "--model.frontend.learning.n_iterations", "3"]
    main(["fit", *BASE, *CONVNET, *ddl, *QUICK, *cache])
    assert "Front end cache: 247,744 bytes for T(x) of 79 training images" in capsys.readouterr().out
    resumed = ["--ckpt_path", "last", "--trainer.max_epochs", "2"]
    main(["fit", *BASE, *CONVNET, *ddl, *QUICK, *cache, *resumed])
    assert "Training on what is kept in runs/frontend_cache/DDL-" in capsys.readouterr().out
    shutil.rmtree("runs")
    error = error_of(["fit", *BASE, *CONVNET, *SMALL_TOP_T, *QUICK, *cache], capsys)
    assert "`frontend_cache.folder` needs a frozen front end, found TopT, which leaves" in error
    assert not list(Path("runs").rglob("frontend.ckpt"))  # before stage one


def test_a_defenses_experiment_runs_without_its_front_end():
    experiment = ["--config", str(CONFIGS / "experiments/mnist5k_top_t.yaml"), "--trainer.fast_dev_run", "1"]
    identity = ["--config", str(CONFIGS / "frontends/identity.yaml"), "--data.val_size", "21"]
    cli = main(["fit", *experiment, *identity, "--evaluation.diagnostics", "0"])
    assert cli.model.system == "Identity + ConvNet"


def test_two_processes_learn_train_and_count_like_one(tmp_path):
    """21 validation samples on 2 processes: none padded, none lost, the same verdict on each as one process gives."""
    common = [*BASE, *CONVNET, *SMALL_TOP_T, *QUICK, *PGD2]
    script = [
        sys.executable,
        "-m",
        "sparsefront.cli.command",
        "fit",
        *common,
        "--trainer.devices",
        "2",
        "--trainer.strategy",
        "ddp",
    ]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    both = rows("runs/default/version_0/results/val_samples.csv")
    one = main(["validate", *common[:-2], *PGD2, "--ckpt_path", "last", "--data.batch_size", "5"])
    alone = rows(Path(one.trainer.log_dir) / "results/val_samples.csv")
    assert len(both) == len(alone) == 21
    for row, other in zip(both, alone, strict=True):
        for key in ("index", "label", "clean_pred", "pgd/pred", "pgd/success"):
            assert row[key] == other[key]
        if row["pgd/l2"]:
            assert float(row["pgd/l2"]) == pytest.approx(float(other["pgd/l2"]), rel=1e-3)
    about = json.loads(Path("runs/default/version_0/results/val_attacks.json").read_text())
    assert about["n_samples"] == 21


def test_wandb_offline_keeps_the_whole_yaml_and_a_second_run_does_not_fail(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    fragment = ["--config", str(CONFIGS / "logging/wandb_offline.yaml")]
    for _ in range(2):
        cli = main(["fit", *BASE, *CONVNET, *QUICK, *PGD2, *fragment])
        run = cli.trainer.loggers[1].experiment
        assert run.config["data"]["class_path"] == "sparsefront.data.MNIST5k"
        assert run.config["attacks"][0]["name"] == "pgd"
        run.finish()
    for number in range(2):  # each in its own run's folder, and nowhere else
        assert len(list(Path(f"runs/default/version_{number}/wandb").glob("offline-run-*"))) == 1
    pictures = list(Path("runs/default").glob("version_*/wandb/offline-run-*/files/media/images/val/*.png"))
    assert len(pictures) == 2  # one call an epoch
    assert len(list(tmp_path.rglob("offline-run-*"))) == 2


def test_the_installed_command_says_nothing_on_top_and_succeeds():
    done = subprocess.run(
        [Path(sys.executable).parent / "sparsefront", "fit", *BASE, *CONVNET, "--print_config"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["model"]["classifier"]["class_path"] == "sparsefront.classifiers.ConvNet"


def test_wandb_online_without_an_account_does_not_wait(capsys, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)  # Lightning leaves it behind an offline run
    monkeypatch.setenv("NETRC", "/nonexistent")
    fragment = ["--config", str(CONFIGS / "logging/wandb.yaml")]
    assert "no account is logged in" in error_of(["fit", *BASE, *CONVNET, *QUICK, *fragment], capsys)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_goes_on_from_its_last_checkpoint(how, tmp_path):
    common = [*BASE, *CONVNET, *SMALL_TOP_T, *QUICK, "--trainer.max_epochs", "400"]
    with subprocess.Popen(
        [sys.executable, "-m", "sparsefront.cli.command", "fit", *common], stderr=subprocess.DEVNULL
    ) as run:
        while not Path("runs/default/version_0/checkpoints/last.ckpt").exists():
            assert run.poll() is None
            time.sleep(0.2)
        time.sleep(2)
        run.send_signal(how)
    reached = torch.load("runs/default/version_0/checkpoints/last.ckpt", weights_only=True, map_location="cpu")
    common[-1] = str(reached["epoch"] + 2)
    more = main(["fit", *common, "--ckpt_path", "last"])
    assert more.trainer.current_epoch == reached["epoch"] + 2
    assert more.trainer.global_step == 3 * (reached["epoch"] + 2)  # also where it was stopped within an epoch
    assert torch.equal(more.model.frontend.dictionary, reached["state_dict"]["frontend.dictionary"])


DSC_CODES = [
    "--model.frontend", "DSC", "--model.frontend.output", "code", "--model.frontend.learning.n_iterations", "2",
    "--model.frontend.layers", "[{n_atoms: 9, size: 7, stride: 7, lmbda: 0.5}, {n_atoms: 12, lmbda: 0.1}]",
    "--model.frontend.solver.tolerance", "0.1",
]  # fmt: skip


def test_a_read_out_is_solved_in_one_epoch_of_fit_and_its_checkpoint_is_what_others_need(capsys):
    svm = [*BASE, "--config", str(CONFIGS / "classifiers/linear_svm.yaml"), *DSC_CODES]
    cli = main(["fit", *svm, *QUICK, "--trainer.max_epochs", "10"])
    assert cli.trainer.current_epoch == 1
    done = main(["predict", *svm, "--ckpt_path", "last", "--trainer.limit_predict_batches", "1"])
    assert torch.equal(done.model.classifier.linear.weight, cli.model.classifier.linear.weight)
    with numpy.load(Path(done.trainer.log_dir) / "codes.npz") as kept:
        assert kept["codes"].shape == (done.datamodule.batch_size, 12)
    assert "LinearSVM is solved by `sparsefront fit`" in error_of(["test", *svm], capsys)
