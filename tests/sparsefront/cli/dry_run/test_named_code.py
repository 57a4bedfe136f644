"""A configuration is code, but what it names is called only where it is what is wanted."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn

from sparsefront.cli.command import main
from sparsefront.cli.dry_run.named_code import _check

pytestmark = pytest.mark.filterwarnings("ignore")
BESIDE = """
from collections.abc import Callable
from pathlib import Path
from typing import Any
from torch import nn
from sparsefront.frontends import BitDepth, FrontEnd
from sparsefront.attacks import PGD, Attack
from sparsefront.classifiers import ConvNet

class Net(ConvNet):
    def __init__(self, in_chans: int, num_classes: int, act: nn.Module | None = None, **kwargs):
        super().__init__(in_chans, num_classes, **kwargs)

def plain(*args, **kwargs):
    Path("ran").touch()
    return ConvNet(1, 10)

def a_number(in_chans: int = 1, num_classes: int = 10) -> int:
    Path("ran").touch()
    return 3

def another(in_chans: int = 1, num_classes: int = 10) -> "unheard.Of":
    Path("ran").touch()

def net(in_chans: int, num_classes: int, width: int = 8) -> nn.Module:
    Path("net").touch()
    return ConvNet(in_chans, num_classes)

def front_end(image_shape: tuple[int, int, int]) -> FrontEnd:
    Path("front_end").touch()
    return BitDepth(image_shape)

def attack(eps: float = 0.1) -> Attack:
    return PGD(eps=eps, steps=2)

class Maker:
    def inherited(self, *args, **kwargs):
        Path("ran").touch()
        return ConvNet(1, 10)

    @classmethod
    def of_class(cls, *args, **kwargs):
        Path("ran").touch()
        return ConvNet(1, 10)

class Heir(Maker):
    pass

class Lazy:
    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return plain

maker = Heir()
maker.of_instance = plain
lazy = Lazy()

class Mine:
    pass

class Takes(ConvNet):
    def __init__(
        self, in_chans: int, num_classes: int, bare: Callable = None, untyped=None, anything: Any = None,
        thing: object = None, returns: Callable[..., Any] = None, **rest
    ):
        super().__init__(in_chans, num_classes)
        self.kept = {"bare": bare, "untyped": untyped, "anything": anything, "thing": thing, "returns": returns, **rest}
"""
SETTINGS = {
    "model": {"classifier": {"class_path": "ConvNet"}},
    "data": {"class_path": "MNIST5k", "init_args": {"val_size": 5}},
    "trainer": {"fast_dev_run": 1, "accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False},
}
COMMAND = {"class_path": "os.system", "init_args": {"command": "touch ran"}}
NAMED = [
    COMMAND,
    {"class_path": "torch.hub.load", "init_args": {"repo_or_dir": ".", "model": "run", "source": "local"}},
    {"class_path": "beside.plain"},
    {"class_path": "beside.a_number"},
    {"class_path": "beside.another"},
    {"class_path": "beside.Path", "init_args": {}},
    "os.system",
    "beside.plain",
]


def attacked(**one):
    return {"attacks": [{"name": "n", "attack": {"class_path": "PGD"}, **one}]}


def inside(part, kind, **settings):
    return {"model": {part: {"class_path": kind, "init_args": settings}}}


PLACES = {
    "classifier": lambda named: {"model": {"classifier": named}},
    "front end": lambda named: {"model": {"frontend": named}},
    "optimizer": lambda named: {"model": {"optimizer": named}},
    "scheduler": lambda named: {"model": {"scheduler": named}},
    "data": lambda named: {"data": named},
    "callbacks": lambda named: {"trainer": {"callbacks": [named]}},
    "logger": lambda named: {"trainer": {"logger": named}},
    "profiler": lambda named: {"trainer": {"profiler": named}},
    "plugins": lambda named: {"trainer": {"plugins": [named]}},
    "attack": lambda named: attacked(attack=named),
    "view": lambda named: attacked(view=named),
    "inner view": lambda named: attacked(view={"class_path": "Neighbourhood", "init_args": {"view": named}}),
    "variant": lambda named: {"analysis": {"variants": attacked(attack=named)["attacks"]}},
    "part of a composition": lambda named: inside(
        "frontend", "sparsefront.frontends.Compose", parts=["Identity", named]
    ),
    "attention": lambda named: inside("frontend", "sparsefront.frontends.PixelDeflection", attention=named),
    "argument": lambda named: inside("classifier", "beside.Net", act=named),
}

FOUND_BY_ATTRIBUTE = [
    {"class_path": "unittest.defaultTestLoader.discover", "init_args": {"start_dir": "tests"}},
    {"class_path": "ctypes.cdll.LoadLibrary", "init_args": {"name": "./absent.so"}},
    {"class_path": "beside.maker.inherited"},
    {"class_path": "beside.Heir.of_class"},
    {"class_path": "beside.maker.of_instance"},
    {"class_path": "beside.lazy.whatever"},
]
"""Of imported objects, but in no `vars()` of theirs."""
OPEN = ["bare", "untyped", "anything", "thing", "returns"]
"""Parameters whose annotation names no class."""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    Path("beside.py").write_text(BESIDE)
    Path("tests").mkdir()
    Path("tests/test_it.py").write_text("open('ran', 'w').close()\n")
    Path("hubconf.py").write_text("def run():\n    open('ran', 'w').close()\n")
    yield
    sys.modules.pop("beside", None)


def fit(changed):
    merged = {group: {**SETTINGS.get(group, {}), **changed[group]} if group in ("model", "trainer") else changed[group]
              for group in changed}  # fmt: skip
    Path("a.yaml").write_text(yaml.safe_dump({**SETTINGS, **merged}))
    return main(["fit", "--config", "a.yaml"])


@pytest.mark.parametrize(
    ("place", "named"), [(place, NAMED[(i + shift) % len(NAMED)]) for i, place in enumerate(PLACES) for shift in (0, 3)]
)
def test_what_is_not_wanted_there_is_not_called(place, named, capsys):
    with pytest.raises(SystemExit) as stop:
        fit(PLACES[place](named))
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert not Path("ran").exists()


@pytest.mark.parametrize("place", [place for place in PLACES if place not in ("data", "profiler")])
def test_a_command_is_not_run_wherever_it_stands(place):
    with pytest.raises(SystemExit):
        fit(PLACES[place](COMMAND))
    assert not Path("ran").exists()


@pytest.mark.parametrize("named", FOUND_BY_ATTRIBUTE, ids=lambda named: named["class_path"])
@pytest.mark.parametrize("place", ["classifier", "scheduler", "part of a composition", "callbacks", "argument"])
def test_what_only_an_attribute_of_an_object_is_is_not_called(place, named, capsys):
    with pytest.raises(SystemExit) as stop:
        fit(PLACES[place](named))
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "cannot open shared object" not in error
    assert not Path("ran").exists()


@pytest.mark.parametrize("setting", OPEN)
def test_an_open_parameter_takes_parts_and_own_classes_but_runs_no_commands(setting, capsys):
    def given(named):
        return {"model": {"classifier": {"class_path": "beside.Takes", "init_args": {setting: named}}}}

    assert isinstance(fit(given({"class_path": "torch.nn.GELU"})).model.classifier.kept[setting], torch.nn.GELU)
    for named in ({"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "ran"]}}, COMMAND,
                  *FOUND_BY_ATTRIBUTE[:3]):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            fit(given(named))
        assert stop.value.code == 2
        assert "typing's Any" not in capsys.readouterr().err
        assert not Path("ran").exists()


def test_a_bare_callable_is_handed_functions_as_they_are():
    kept = inside("classifier", "beside.Takes", bare="torch.tanh", returns="beside.plain")
    taken = fit(kept).model.classifier.kept
    assert taken["bare"] is torch.tanh
    assert taken["returns"].__name__ == "plain"
    assert not Path("ran").exists()


def test_a_callback_of_functions_takes_one():
    lambdas = {
        "class_path": "pytorch_lightning.callbacks.LambdaCallback",
        "init_args": {"on_train_start": "builtins.print"},
    }
    cli = fit({"trainer": {"callbacks": [lambdas]}})
    assert any(getattr(one, "on_train_start", None) is print for one in cli.trainer.callbacks)


@pytest.mark.parametrize(
    ("hint", "named"),
    [
        (Any, "subprocess.Popen"), (object, "subprocess.Popen"), (Callable, "multiprocessing.Process"),
        (Any, "torch.distributed.elastic.multiprocessing.subprocess_handler.SubprocessHandler"),
        (nn.Module | Any, "pathlib.Path"), (Any, "subprocess.run"), (Any, "logging.FileHandler"),
    ],
)  # fmt: skip
def test_an_open_annotation_admits_no_class_that_acts(hint, named):
    with pytest.raises(ValueError, match="was not called"):
        _check(hint, {"class_path": named}, "here")


@pytest.mark.parametrize("hint", [Any, object, Callable, Callable[..., Any], nn.Module | Any, None | object])
@pytest.mark.parametrize("named", ["torch.nn.GELU", "torch.optim.SGD", "sparsefront.frontends.BitDepth", "beside.Mine"])
def test_an_open_annotation_admits_parts_and_own_classes(hint, named):
    _check(hint, {"class_path": named}, "here")


def test_a_function_of_no_annotation_is_told_what_is_missing(capsys):
    with pytest.raises(SystemExit):
        fit({"model": {"classifier": {"class_path": "beside.plain"}}})
    said = "`model.classifier` must name a subclass of torch's Module, or a function annotated to return one, found "
    assert f"{said}beside.plain; it was not called." in capsys.readouterr().err


def test_functions_that_say_what_they_return_are_called():
    cli = fit(
        {
            "model": {"classifier": "beside.net", "frontend": "beside.front_end"},
            "attacks": [{"name": "n", "attack": {"class_path": "beside.attack", "init_args": {"eps": 0.2}}}],
        }
    )
    assert Path("net").exists()
    assert type(cli.model.frontend).__name__ == "BitDepth"
    assert cli.evaluation.attacks[0].attack.eps == 0.2


def test_a_class_in_a_file_beside_the_user_is_built():
    cli = fit({"model": {"classifier": {"class_path": "beside.Net", "init_args": {"act": "torch.nn.ReLU"}}}})
    assert type(cli.model.classifier).__module__ == "beside"
