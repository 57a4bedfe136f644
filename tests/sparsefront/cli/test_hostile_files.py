"""A file that is data never runs, whatever option it is given to: options are found by walking the parser."""

import contextlib
import inspect
import io
import pickle
import shutil
import sys
import threading
import typing
import zipfile
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import sparsefront.data
from sparsefront import DefendedClassifier, attacks, classifiers, frontends
from sparsefront.classifiers import ConvNet
from sparsefront.cli.command import main
from sparsefront.cli.sparsefront_cli import SparsefrontCLI
from sparsefront.common.annotations import annotations_of, settings_group_of

pytestmark = pytest.mark.filterwarnings("ignore")
DATA = ["--data", "MNIST5k", "--data.val_size", "5", "--data.batch_size", "100", "--trainer.accelerator", "cpu"]
QUIET = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
BATCHES = ["--trainer.limit_test_batches", "1", "--trainer.limit_train_batches", "1", "--trainer.max_epochs", "1"]
SMALL = ["--model.classifier", "ConvNet", *DATA, *QUIET, *BATCHES, "--trainer.limit_val_batches", "1"]


class Runs:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def torch_file():
    memory = io.BytesIO()
    state = {"frontend.learned": torch.tensor(True), "classifier.x": Runs()}
    torch.save({"state_dict": state, "pytorch-lightning_version": pl.__version__, "hyper_parameters": Runs()}, memory)
    return memory.getvalue()


def array_file():
    memory = io.BytesIO()
    np.savez(
        memory, index=np.array([Runs()]), image=np.array([Runs()]), linf=np.array([Runs()]), origin=np.array(Runs())
    )
    return memory.getvalue()


def one_array():
    memory = io.BytesIO()
    np.save(memory, np.array([Runs()]))
    return memory.getvalue()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder of files that run something where they are unpickled, under every name that might be looked for."""
    content = {".ckpt": torch_file(), ".pt": torch_file(), ".pkl": pickle.dumps(Runs()), ".npz": array_file(),
               ".npy": one_array(), ".safetensors": torch_file(), ".png": pickle.dumps(Runs()), "": torch_file(),
               ".json": pickle.dumps(Runs()), ".csv": pickle.dumps(Runs())}  # fmt: skip
    folder = tmp_path_factory.mktemp("hostile")
    for home in ("a", "b", "results/val_partial", "results/test_partial", "checkpoints", "version_0/checkpoints"):
        (folder / home).mkdir(parents=True)
        for name in ("x", "last", "about", "rows.0", "costs.0", "rows", "train", "frontend"):
            for suffix, some in content.items():
                (folder / home / f"{name}{suffix}").write_bytes(some)
    return folder


def paths(hostile):
    return [str(hostile), *(str(hostile / "a" / name) for name in ("x.ckpt", "x.npz", "x.safetensors", "x"))]


def test_the_files_do_run_where_they_are_unpickled(hostile):
    for load in (
        lambda: torch.load(hostile / "a/x.ckpt", weights_only=False),
        lambda: np.load(hostile / "a/x.npz", allow_pickle=True)["image"],
        lambda: np.load(hostile / "a/x.npy", allow_pickle=True),
        lambda: pickle.loads((hostile / "a/x.png").read_bytes()),
    ):
        load()
        Path("ran").unlink()


def texts(hint):
    """Whether an annotation takes a text that is not one of a few."""
    if hint is str or (isinstance(hint, type) and issubclass(hint, Path)):
        return True
    return typing.get_origin(hint) is not typing.Literal and any(texts(part) for part in typing.get_args(hint))


def classes():
    for package in (frontends, classifiers, attacks, sparsefront.data):
        for name in package.__all__:
            kind = getattr(package, name)
            if isinstance(kind, type) and not inspect.isabstract(kind):
                hints = {key: hint for key, hint in annotations_of(kind).items() if key != "return"}
                yield from ((kind, key) for key, hint in hints.items() if texts(hint))
                for group, hint in hints.items():
                    inner = annotations_of(settings_group_of(hint))
                    yield from ((kind, f"{group}.{key}") for key, one in inner.items() if texts(one))


CLASSES = list(classes())


def built(kind, setting, path):
    needed = {"model_name": "test_resnet", "in_chans": 1, "num_classes": 10, "attention": ConvNet, "name": "n"}
    needed |= {"image_shape": (1, 28, 28), "attack": attacks.FGSM(), "parts": [], "checkpoint": path}
    signature = inspect.signature(kind).parameters
    required = {key for key, one in signature.items() if one.default is one.empty} | ({"attention"} & signature.keys())
    name, _, inner = setting.partition(".")
    value = settings_group_of(annotations_of(kind)[name])(**{inner: path}) if inner else path
    return kind(**{key: needed[key] for key in required if key in needed} | {name: value})


def exercised(kind, setting, path):
    made = built(kind, setting, path)
    images, labels = torch.rand(2, 1, 28, 28), torch.tensor([0, 1])
    if isinstance(made, attacks.Attack):
        made(lambda images: images.flatten(1)[:, :10], images, labels)
    elif isinstance(made, attacks.View):
        made(DefendedClassifier(ConvNet))(images)
    elif isinstance(made, frontends.FrontEnd):
        made.learn_from(images)
        made(images)
    elif isinstance(made, pl.LightningDataModule):
        made.setup("fit")
        next(iter(made.train_dataloader()))


@pytest.mark.parametrize(("kind", "setting"), CLASSES, ids=[f"{kind.__name__}.{name}" for kind, name in CLASSES])
def test_no_setting_of_a_part_runs_a_file(hostile, kind, setting):
    for path in paths(hostile):
        with contextlib.suppress(Exception):  # refused, in whatever words
            exercised(kind, setting, path)
    assert not Path("ran").exists()


def options():
    """The settings of the command line that take a text, whatever they mean by it; Lightning's own are Lightning's."""
    found = []

    class Walk(SparsefrontCLI):
        def parse_arguments(self, parser, args):
            actions = parser._subcommands_action._name_parser_map["fit"]._actions
            found.extend(one.dest for one in actions if texts(getattr(one, "_typehint", None) or one.type))
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsefront"])
        patch.setattr("sparsefront.cli.sparsefront_cli.SparsefrontCLI", Walk)
        with pytest.raises(KeyboardInterrupt):
            main(["fit"])
    return [name for name in found if not name.startswith("trainer.") and not name.endswith(".help")]


OPTIONS = options()


def test_the_walk_finds_the_options_that_are_known_to_take_files():
    known = {"ckpt_path", "model.frontend_checkpoint", "model.classifier_checkpoint", "evaluation.resume_from",
             "frontend_cache.folder", "run_dir"}  # fmt: skip
    assert known <= set(OPTIONS)
    found = {f"{kind.__name__}.{name}" for kind, name in CLASSES}
    assert {"Transfer.checkpoint", "SavedImages.folder", "Timm.pretrained", "ResNet32.checkpoint_path",
            "PixelDeflection.attention_checkpoint", "STL.clusters.strata_checkpoint",
            "ImageFolder.root", "ImageFolder.reading.classes", "FaceIdentification.reading.font"} <= found  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS)
def test_no_option_of_the_command_line_runs_a_file(hostile, option, capsys):
    verb = "fit" if option.startswith("frontend_cache") else "test"
    own = shutil.copytree(hostile, Path("hostile"))  # it may be written to
    for path in (own, own / "a/x.ckpt"):
        with contextlib.suppress(SystemExit):
            main([verb, *SMALL, "--model.frontend", "BitDepth", f"--{option}", str(path)])
        assert "Traceback" not in capsys.readouterr().err
    assert not Path("ran").exists()


@pytest.mark.parametrize("verb", ["fit", "test"])
def test_a_checkpoint_at_an_address_is_refused_and_not_asked_for(hostile, verb, capsys):
    asked = []

    class Serve(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), partial(Serve, directory=hostile))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/a/x.ckpt"
        with pytest.raises(SystemExit) as stop:
            main([verb, *SMALL, "--ckpt_path", address, "--weights_only", "false"])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert stop.value.code == 2
    assert f"`ckpt_path` must name a file or folder on this machine, found {address}" in capsys.readouterr().err
    assert not asked
    assert not Path("ran").exists()


def test_a_folder_whose_name_begins_like_an_address_is_a_folder():
    """Lightning takes `http_runs/last.ckpt` for an address, and what it finds there it unpickles."""
    cli = main(["fit", *SMALL, "--run_dir", "http_runs"])
    path = next(Path("http_runs").rglob("last.ckpt"))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    again = main(["test", *SMALL, "--ckpt_path", str(path), "--weights_only", "false"])
    state = cli.model.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.model.state_dict().items())
