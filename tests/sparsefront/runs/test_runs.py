"""Which weights a command takes, where it leaves its own, and what it goes on from."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from sparsefront.cli import demo
from sparsefront.cli.command import main
from sparsefront.cli.report import main as report
from sparsefront.cli.sparsefront_cli import SparsefrontCLI
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.common.checkpoints.tensor_digest import digest_of
from sparsefront.evaluation import RobustEvaluation
from sparsefront.evaluation.results_writer import ResultsWriter
from sparsefront.model.defended import DefendedClassifier
from sparsefront.report.sentences import cautions
from sparsefront.results.run import Run
from sparsefront.runs.moved_run import moved_paths, moved_run
from sparsefront.studies import turn
from tests.helpers.places import CONFIGS

FRAGMENTS = ("base", "data/mnist5k", "classifiers/convnet")
SMALL = [
    *(word for name in FRAGMENTS for word in ("--config", f"{CONFIGS}/{name}.yaml")),
    "--model.classifier.width", "4", "--model.classifier.hidden", "8", "--data.val_size", "21",
    "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
    "--trainer.limit_train_batches", "3", "--trainer.limit_test_batches", "1", "--trainer.max_epochs", "1",
]  # fmt: skip
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]


def same_weights(model, path):
    state = torch.load(path, weights_only=True)["state_dict"]
    return all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())


def test_two_fits_in_one_run_folder_keep_their_weights_apart_and_a_runs_config_means_its_own():
    for seed in ("0", "1"):
        main(["fit", *SMALL, "--run_dir", "r", "--seed_everything", seed])
    first, second = (Path(f"r/version_{number}/checkpoints/last.ckpt") for number in range(2))
    assert not list(Path("r").glob("checkpoints"))
    tests = {
        first: ["--config", "r/version_0/config.yaml", "--ckpt_path", "last"],
        second: ["--config", "r/version_1/config.yaml", "--ckpt_path", "last"],
    }
    for number, (path, args) in enumerate(tests.items()):
        cli = main(["test", *args])
        assert same_weights(cli.model, path)
        assert not same_weights(cli.model, {first: second, second: first}[path])
        assert Path(cli.trainer.log_dir) == Path(f"r/version_{2 + number}")
    assert same_weights(main(["test", *SMALL, "--run_dir", "r", "--ckpt_path", "last"]).model, second)  # the newest
    shutil.rmtree("r/version_1")
    assert same_weights(main(["test", *SMALL, "--run_dir", "r", "--ckpt_path", "r"]).model, first)


def test_runs_that_begin_at_once_get_folders_of_their_own(monkeypatch):
    """Each has looked for the next free number before any has written a thing."""
    seen = []

    def begin(self, subcommand):
        seen.append(self.trainer.loggers[0])
        if len(seen) < 2:
            main(["test", *SMALL, "--run_dir", "r"])
        self.before_test()

    monkeypatch.setattr(SparsefrontCLI, "_run_subcommand", begin)
    main(["test", *SMALL, "--run_dir", "r"])
    assert sorted(logger.log_dir for logger in seen) == ["r/version_0", "r/version_1"]


def test_a_resumed_fit_leaves_the_run_it_goes_on_from_as_it_was_and_has_one_last():
    main(["fit", *SMALL, "--run_dir", "r"])
    before = {path: path.read_bytes() for path in Path("r").rglob("*") if path.is_file()}
    shutil.copytree("r", "copy")
    cli = main(["fit", *SMALL, "--run_dir", "r", "--ckpt_path", "last", "--trainer.max_epochs", "3"])
    assert {path: path.read_bytes() for path in before} == before
    names = {path.name for path in Path("r/version_1/checkpoints").iterdir()}
    assert names == {"last.ckpt", "epoch2.ckpt"}
    found = find_checkpoint("r", "s")
    assert (found.path, found.epoch, found.step, found.ended) == (Path("r/version_1/checkpoints/last.ckpt"), 2, 9, True)
    assert cli.trainer.global_step == 9
    for path in [*Path("r").rglob("*.ckpt")]:
        assert str(Path.cwd()).encode() not in path.read_bytes()  # so that it may be moved
    main(["fit", *SMALL, "--run_dir", "copy", "--ckpt_path", "last", "--trainer.max_epochs", "2"])
    assert not list(Path("copy").rglob("last-v*"))
    assert find_checkpoint("copy", "s").step == 6


FGSM = ["--attacks+", "{name: fgsm, attack: {class_path: FGSM, init_args: {eps: 0.1}}}"]


def record(folder, stage="test"):
    return json.loads((Path(folder) / f"results/{stage}_attacks.json").read_text())


def logged(folder, column):
    with (Path(folder) / "metrics.csv").open() as file:
        return [row for row in csv.DictReader(file) if row[column]]


def test_a_record_the_tables_foot_and_the_page_say_which_weights_a_number_is_of(capsys):
    main(["fit", *SMALL, *FGSM, "--run_dir", "r", "--trainer.max_epochs", "2"])
    path = Path("r/version_0/checkpoints/last.ckpt")
    tensors = digest_of(torch.load(path, weights_only=True)["state_dict"])
    trained = record("r/version_0", "val")["weights"]
    assert trained | {"parts": {}} == trained
    assert (trained["from"], trained["path"], trained["epoch"], trained["step"]) == ("fit", "version_0", 1, 6)
    assert trained["tensors"] == tensors

    main(["test", "--config", "r/version_0/config.yaml", "--ckpt_path", "last"])
    tested = record("r/version_1")["weights"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    where = {"from": "checkpoint", "path": "version_0/checkpoints/last.ckpt", "epoch": 1, "step": 6, "sha256": digest}
    assert tested == where | {"tensors": tensors, "parts": {}, "differs": []}
    assert {(row["epoch"], row["step"]) for row in logged("r/version_1", "test/clean_acc")} == {("1", "6")}
    assert record("r/version_1")["epoch"] == 1

    capsys.readouterr()
    assert report(["r", "--out", "page.html", "--table", "table.md"]) == 0
    sentence = f"weights version_0/checkpoints/last.ckpt, epoch 1, step 6, sha256 {digest[:12]}"
    assert f"Identity + ConvNet: {sentence}." in capsys.readouterr().out
    assert sentence in Path("table.md").read_text()
    assert sentence.removeprefix("weights ") in Path("page.html").read_text()

    # The test's own configuration means the same weights, also when others have been trained since, and when moved.
    shutil.copytree("r/version_0", "r/version_2")
    shutil.move("r", "s")
    again = main(["test", "--config", "s/version_1/config.yaml", "--ckpt_path", "last"])
    assert Path(again.trainer.log_dir).parent == Path("s")
    assert record(again.trainer.log_dir)["weights"] == tested
    assert not Path("r").exists()

    # What parts are from, and what attacks read.
    transfer = (
        "{name: t, attack: {class_path: FGSM}, view: {class_path: Transfer, init_args: {checkpoint: s/version_0}}}"
    )
    taken = ["--model.classifier_checkpoint", "s", "--model.classifier.dropout", "0.5"]
    built = main(["test", *SMALL, "--run_dir", "t", *taken, "--attacks+", transfer])
    found = record(built.trainer.log_dir)
    assert found["weights"]["from"] == "parts"
    assert found["weights"]["differs"] == ["model.classifier.dropout: 0.0 → 0.5"]
    assert found["weights"]["parts"]["classifier"] == {
        "path": "s/version_2/checkpoints/last.ckpt", "epoch": 1, "step": 6, "sha256": digest
    }  # fmt: skip
    assert found["checkpoints"]["s/version_0"]["sha256"] == digest


def test_a_fast_dev_run_leaves_nothing_that_stands_in_the_place_of_results():
    args = [*SMALL, *FGSM, "--run_dir", "r"]
    main(["fit", *args])
    before = sorted(path for path in Path("r").rglob("*") if path.is_file())
    for verb in ("fit", "test"):
        quick = main([verb, *args, "--trainer.fast_dev_run", "1", "--evaluation.pictures.save_images", "true"])
        assert not quick.trainer.log_dir or not (Path(quick.trainer.log_dir) / "results").exists()
    assert sorted(path for path in Path("r").rglob("*") if path.is_file()) == before


class KilledError(Exception):
    """As a kill: nobody catches it."""


def killed_at(monkeypatch, number):
    """The attacks of the `number`-th validation do not come to their end."""
    finish, calls = RobustEvaluation.finish, []

    def end(self, *args):
        calls.append(1)
        if len(calls) == number:
            raise KilledError
        finish(self, *args)

    monkeypatch.setattr(RobustEvaluation, "finish", end)


@pytest.mark.parametrize(
    ("number", "monitor"), [(2, []), (2, ["--checkpoint.monitor", "val/robust_acc/fgsm", "--checkpoint.mode", "max"])]
)
def test_an_epoch_is_kept_before_its_attacks_and_a_resumed_fit_begins_with_them(number, monitor, monkeypatch):
    """The last epoch's attacks are killed: they are all that is left to do, and the weights are the undisturbed."""
    args = ["fit", *SMALL, *FGSM, *monitor, "--trainer.max_epochs", "2", "--model.classifier.dropout", "0"]
    whole = main([*args, "--run_dir", "whole"])
    with monkeypatch.context() as patch:
        killed_at(patch, number)
        with pytest.raises(KilledError):
            main([*args, "--run_dir", "r"])
    found = find_checkpoint("r", "s")
    assert (found.path.name, found.epoch, found.step, found.ended) == ("last.ckpt", 1, 6, False)
    steps = []
    monkeypatch.setattr(type(whole.model), "on_train_batch_start", lambda self, *_: steps.append(1), raising=False)
    resumed = main([*args, "--run_dir", "r", "--ckpt_path", "last"])
    assert not steps
    found = find_checkpoint("r", "s")
    assert (found.path.parts[1], found.epoch, found.step, found.ended) == ("version_1", 1, 6, True)
    assert same_weights(whole.model, found.path)
    of_whole, of_resumed = ((Path(cli.trainer.log_dir) / "results/val_samples.csv") for cli in (whole, resumed))
    assert of_whole.read_text() == of_resumed.read_text()
    best = [Path(folder) / "checkpoints" for folder in (whole.trainer.log_dir, resumed.trainer.log_dir)]
    assert {path.name for path in best[0].iterdir()} == {path.name for path in best[1].iterdir()}
    more = main([*args, "--run_dir", "r", "--ckpt_path", "last", "--trainer.max_epochs", "3"])
    assert len(steps) == 3
    assert more.trainer.global_step == 9


def test_a_resumed_fit_refuses_or_says_what_differs_and_a_test_what_would_be_another_model(capsys):
    main(["fit", *SMALL, "--run_dir", "r", "--model.frontend", "BitDepth", "--model.frontend.bits", "3"])
    again = [*SMALL, "--run_dir", "r", "--ckpt_path", "last", "--model.frontend", "BitDepth"]
    for verb, args, message in [
        ("fit", ["--model.frontend.bits", "4"], "found model.frontend.bits: 3 → 4;"),
        ("fit", ["--model.frontend.bits", "3", "--data.batch_size", "64"], "data.batch_size: 128 → 64"),
        ("fit", ["--model.frontend.bits", "3", "--model.optimizer", "SGD"], "torch.Adam → torch.SGD"),
        ("test", ["--model.frontend.bits", "4"], "(model.frontend.bits: 3 → 4)"),
        ("test", ["--model.frontend", "Identity"], "belongs to another front end or classifier (model.frontend"),
        ("test", ["--model.frontend.bits", "3", "--data.seed", "1"], "was trained on other data (data.seed: 0 → 1)"),
    ]:
        with pytest.raises(SystemExit) as stop:
            main([verb, *again, *args])
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
    assert not Path("r/version_1").exists()
    given = ["--model.frontend.bits", "4", "--may_differ", "[model.frontend]"]
    main(["test", *again, *FGSM, *given])
    assert record("r/version_1")["weights"]["differs"] == ["model.frontend.bits: 3 → 4"]
    assert report(["r", "--out", "page.html"]) == 0
    assert "Caution: BitDepth + ConvNet: tested with other settings" in capsys.readouterr().out
    rate = ["--model.optimizer.lr", "0.5", "--model.frontend.bits", "3", "--trainer.max_epochs", "2"]
    resumed = main(["fit", *again, *rate])
    (group,) = resumed.trainer.optimizers[0].param_groups
    assert group["initial_lr"] == 0.5  # of which OneCycle takes shares


@pytest.mark.parametrize("said", ["r", "/far/away/r", "./r"])
def test_a_moved_run_is_where_its_configuration_is_unless_another_place_was_named(tmp_path, said):
    config = tmp_path / "b/version_3/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(yaml.safe_dump({"run_dir": said}))
    assert moved_run(said, [config]) == "b"
    assert moved_run("other", [config]) is None
    assert moved_run(said, []) is None
    plain = tmp_path / "mine.yaml"
    plain.write_text(yaml.safe_dump({"run_dir": said}))
    assert moved_run(said, [plain]) is None
    config.write_text(yaml.safe_dump({"run_dir": "b"}))
    assert moved_run("b", [config]) is None  # it is where it says


def test_the_demo_goes_on_where_it_was_interrupted_and_trains_nothing_twice(monkeypatch):
    """Stopped in the attacks of the first system's last epoch, then done, then done again."""
    lines = [*SMALL, *FGSM]
    reported = []

    def quick(verb, folder, arguments, shown):
        assert (verb, shown) == ("fit", True)
        assert arguments[:2] == ["--config", "a.yaml"]
        main([verb, *lines, *arguments, "--run_dir", str(folder)])
        return True

    study = yaml.safe_load((CONFIGS / "studies/demo.yaml").read_text())
    Path("a.yaml").write_text("trainer: {max_epochs: 2}")
    for system in study["systems"].values():
        assert system["test"] is False
        system["configs"] = ["a.yaml"]
    Path("demo.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    monkeypatch.setattr(demo, "STUDY", Path("demo.yaml"))
    monkeypatch.setattr(demo, "check", lambda args: None)
    monkeypatch.setattr(turn, "separate_run", quick)
    monkeypatch.setattr(demo, "report", lambda args: reported.append(args) or 0)
    with monkeypatch.context() as patch:
        killed_at(patch, 2)
        with pytest.raises(KilledError):
            demo.demo()
    steps = []
    monkeypatch.setattr(DefendedClassifier, "on_train_batch_start", lambda self, *_: steps.append(1), raising=False)
    demo.demo()
    assert len(steps) == 6  # the other system's alone
    folders = [Path(folder) for folder in reported[-1][:2]]
    assert [Run.load(folder, "val").folder.name for folder in folders] == ["version_1", "version_0"]
    before = sorted(Path("runs").rglob("*"))
    demo.demo()
    assert len(steps) == 6
    assert sorted(Path("runs").rglob("*")) == before
    assert reported[0] == reported[1]


def stopped(*args):
    """In the place of a step that is never reached."""
    raise KilledError


def test_an_evaluation_that_was_stopped_before_its_end_or_changed_since_says_so(capsys, monkeypatch):
    args = ["test", *SMALL, *FGSM, "--evaluation.diagnostics", "4", "--run_dir", "r"]
    with monkeypatch.context() as patch:
        patch.setattr(ResultsWriter, "_probed", stopped)
        with pytest.raises(KilledError):
            main(args)
    assert record("r/version_0")["whole"] is False
    assert any("stopped after the attacks" in sentence for sentence in cautions([Run.load("r")]))
    main(args)
    assert record("r/version_1")["whole"] is True
    assert not any("stopped after the attacks" in sentence for sentence in cautions([Run.load("r")]))
    samples = Path("r/version_1/results/test_samples.csv")
    lines = samples.read_text().splitlines()
    samples.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")  # the same numbers even
    assert report(["r", "--out", "page.html"]) == 1
    assert "must be as it was written, with test_attacks.json" in capsys.readouterr().err


def test_a_command_line_that_is_built_and_not_run_leaves_nothing():
    cli = main([*SMALL, "--run_dir", "r"], run=False)
    assert cli.model.system == "Identity + ConvNet"
    assert not list(Path("r").iterdir())


def test_a_checkpoint_named_before_the_configuration_is_tested_and_gone_on_from():
    main(["fit", *SMALL, "--run_dir", "r"])
    config = Path("r/version_0/config.yaml")
    assert "ckpt_path" not in yaml.safe_load(config.read_text())
    config.write_text(f"ckpt_path: null\n{config.read_text()}")  # as older runs have it
    trained = Path("r/version_0/checkpoints/last.ckpt")
    assert same_weights(main(["test", "--ckpt_path", "last", "--config", str(config)]).model, trained)
    more = ["--trainer.max_epochs", "2"]
    assert main(["fit", "--ckpt_path=r/version_0", "--config", str(config), *more]).trainer.global_step == 6


@pytest.mark.parametrize("name", ["ckpt_path", "evaluation.resume_from", "model.classifier_checkpoint"])
@pytest.mark.parametrize(
    ("path", "said", "now"),
    [
        ("r/version_0", "r", "rc/version_0"), ("./r", "r", "rc"),
        ("/a/r/version_1/x.ckpt", "/a/r", "rc/version_1/x.ckpt"),
        ("r/../r/version_0", "./r", "rc/version_0"), ("r2/version_0", "r", None), ("other", "r", None),
        ("last", ".", None), ("r/../version_0", "r", None), (None, "r", None), ("https://r/x", ".", None),
    ],
)  # fmt: skip
def test_what_lay_in_a_runs_folder_lies_where_the_run_is_now(name, path, said, now):
    assert moved_paths({name: path}, said, "rc", ["run_dir"]) == ({} if now is None else {name: now})
    assert moved_paths({name: path}, said, "rc", [name]) == {}


def test_the_test_of_a_copied_run_means_the_weights_in_the_copy(capsys):
    main(["fit", *SMALL, "--run_dir", "r"])
    main(["test", "--config", "r/version_0/config.yaml", "--ckpt_path", "r/version_0"])
    shutil.copytree("r", "rc")
    shutil.rmtree("r/version_0/checkpoints")
    cli = main(["test", "--config", "rc/version_1/config.yaml"])
    assert same_weights(cli.model, "rc/version_0/checkpoints/last.ckpt")
    cli = main(["test", "--config", "rc/version_1/config.yaml", "--run_dir", "elsewhere"])
    assert same_weights(cli.model, "rc/version_0/checkpoints/last.ckpt")
    assert Path(cli.trainer.log_dir) == Path("elsewhere/version_0")
    with pytest.raises(SystemExit):  # what is named on the line is what it says
        main(["test", "--config", "rc/version_1/config.yaml", "--ckpt_path", "r/version_0"])
    assert "found none in r/version_0" in capsys.readouterr().err
