"""A configuration is code, but what it names is called only where it is what is wanted."""

import sys
from pathlib import Path

import pytest
import yaml

from sparsefront.cli import SparsefrontCLI, main

pytestmark = pytest.mark.filterwarnings("ignore")
BESIDE = """
from pathlib import Path
from torch import nn
from frontends import BitDepth, FrontEnd
from attacks import PGD, Attack
from classifiers import ConvNet

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
    "part of a composition": lambda named: inside("frontend", "frontends.Compose", parts=["Identity", named]),
    "attention": lambda named: inside("frontend", "frontends.PixelDeflection", attention=named),
    "argument": lambda named: inside("classifier", "beside.Net", act=named),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    verbs = SparsefrontCLI.subcommands()
    monkeypatch.setattr(SparsefrontCLI, "subcommands", staticmethod(lambda: {"fit": verbs["fit"]}))
    Path("beside.py").write_text(BESIDE)
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
