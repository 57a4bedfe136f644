"""Which weights a command takes, where it leaves its own, and what it goes on from."""

import shutil
import sys
from pathlib import Path

import pytest
import torch

from sparsefront.cli import SparsefrontCLI, main
from sparsefront.common.run_folder import find_checkpoint

CONFIGS = Path(__file__).parents[2] / "lightning_configs"
FRAGMENTS = ("base", "data/mnist5k", "classifiers/convnet")
SMALL = [
    *(word for name in FRAGMENTS for word in ("--config", f"{CONFIGS}/{name}.yaml")),
    "--model.classifier.width", "4", "--model.classifier.hidden", "8", "--data.val_size", "21",
    "--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false",
    "--trainer.limit_train_batches", "3", "--trainer.limit_test_batches", "1", "--trainer.max_epochs", "1",
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    verbs = SparsefrontCLI.subcommands()
    used = {verb: verbs[verb] for verb in ("fit", "test")}
    monkeypatch.setattr(SparsefrontCLI, "subcommands", staticmethod(lambda: used))  # the others' parsers take time


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
