"""A checkpoint is data: whatever it names, nothing is imported, called or unpickled."""

import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.attacks import Transfer
from sparsefront.frontends import BitDepth, Compose, FrontEnd
from sparsefront.runs.run_checkpoints import RunCheckpoints

pytestmark = pytest.mark.filterwarnings("ignore")


class Small(nn.Module):
    """A network of the user's own."""

    def __init__(self, in_chans: int, num_classes: int, width: int = 3, act: nn.Module | None = None):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(784 * in_chans, width), nn.Linear(width, num_classes))
        self.act = act

    def forward(self, images):
        return self.layers(images)


class Half(FrontEnd):
    def forward(self, images):
        return images / 2


def made(in_chans: int, num_classes: int) -> nn.Module:
    Path("ran").touch()
    return Small(in_chans, num_classes)


HERE = Small.__module__
SMALL = {"class_path": f"{HERE}.Small", "init_args": {"width": 4}}
HALF = {"class_path": f"{HERE}.Half"}
TOUCH = {"command": "touch ran"}
HOSTILE = {
    "a command": {"class_path": "os.system", "init_args": TOUCH},
    "a command by its other name": {"class_path": "posix.system", "init_args": TOUCH},
    "a command through our own module": {
        "class_path": "sparsefront.studies.separate_run.subprocess.run",
        "init_args": {"args": ["touch", "ran"]},
    },
    "a process": {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "ran"]}},
    "torch.hub": {"class_path": "torch.hub.load", "init_args": {"repo_or_dir": ".", "model": "run", "source": "local"}},
    "a word of Python": {"class_path": "builtins.exec", "init_args": {"source": "open('ran', 'w')"}},
    "a module beside the checkpoint": {"class_path": "beside.Net"},
    "its function": {"class_path": "beside.net"},
    "a known function": {"class_path": f"{HERE}.made"},
    "a text": "os.system",
    "a text of a module beside": "beside.Net",
    "a YAML file beside": "beside.yaml",
    "a partial": {"class_path": "functools.partial", "init_args": {"func": "os.system", "command": "touch ran"}},
    "no name": {"class_path": 3},
    "a name in a list": [{"class_path": "os.system", "init_args": TOUCH}],
    "a class of another kind": {"class_path": "torchmetrics.classification.MulticlassAccuracy"},
    "the model itself": {
        "class_path": "sparsefront.model.defended.DefendedClassifier",
        "init_args": {"classifier": {"class_path": "os.system", "init_args": TOUCH}},
    },
}


def within(place, class_path, key, spec, where="init_args"):
    return {place: {"class_path": class_path, where: {key: spec}}}


def name_of(spec):
    return spec["class_path"] if isinstance(spec, dict) else spec


PLACES = {
    "classifier": lambda spec: {"classifier": spec},
    "frontend": lambda spec: {"frontend": spec},
    "optimizer": lambda spec: {"optimizer": spec},
    "scheduler": lambda spec: {"scheduler": spec},
    "a part of a composition": lambda spec: within("frontend", "sparsefront.frontends.Compose", "parts", [HALF, spec]),
    "the attention": lambda spec: within("frontend", "sparsefront.frontends.PixelDeflection", "attention", spec),
    "an argument of the user's class": lambda spec: within("classifier", f"{HERE}.Small", "act", spec),
    "its other arguments": lambda spec: within("classifier", f"{HERE}.Small", "act", spec, "dict_kwargs"),
    "Lightning's class": lambda spec: {"_class_path": name_of(spec), **TOUCH},
    "Lightning's builder": lambda spec: {"_instantiator": name_of(spec)},
}


@pytest.fixture(autouse=True)
def beside(tmp_path, monkeypatch):
    """The working folder, with modules in it that leave a trace when they are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    trace = "import pathlib; pathlib.Path('ran').touch()\n"
    code = f"from {HERE} import Small as Net\ndef net(in_chans: int, num_classes: int) -> Net: return Net(1, 3)\n"
    Path("beside.py").write_text(trace + code)
    Path("hubconf.py").write_text(f"{trace}def run(): {trace}")
    Path("beside.yaml").write_text("class_path: os.system\ninit_args: {command: touch ran}\n")
    yield
    sys.modules.pop("beside", None)


def checkpoint(**settings):
    model = DefendedClassifier(lambda c, k: Small(c, k, 4), Half)
    torch.save(
        {
            "state_dict": model.state_dict(),
            "hyper_parameters": {"classifier": SMALL, "frontend": HALF, **settings},
            "pytorch-lightning_version": pl.__version__,
        },
        "other.ckpt",
    )
    return model


@pytest.mark.parametrize(
    ("hostile", "place"),
    [(h, p) for h in HOSTILE for p in PLACES if (h, p) != ("the model itself", "Lightning's class")],  # which it is
)
def test_what_a_checkpoint_names_does_not_run(hostile, place):
    model = checkpoint(**PLACES[place](HOSTILE[hostile]))
    with pytest.raises(ValueError, match=r"`checkpoint` of Transfer must be a DefendedClassifier .* found other\.ckpt"):
        Transfer("other.ckpt")(model)
    with pytest.raises(ValueError, match="of a checkpoint must"):
        DefendedClassifier.load_from_checkpoint("other.ckpt")
    assert not Path("ran").exists()
    assert "beside" not in sys.modules


def test_what_a_checkpoint_may_name_is_built_with_its_settings():
    parts = {
        "class_path": "sparsefront.frontends.Compose",
        "init_args": {"parts": [HALF, {"class_path": "sparsefront.frontends.BitDepth"}]},
    }
    act = {"class_path": "torch.nn.ELU", "init_args": {"alpha": 0.5}}
    model = DefendedClassifier(lambda c, k: Small(c, k, 4, nn.ELU(0.5)), lambda shape: Compose(shape, [Half, BitDepth]))
    settings = {
        "classifier": {**SMALL, "init_args": {"width": 4, "act": act}},
        "frontend": parts,
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.25}},
        "scheduler": {"class_path": "sparsefront.training.schedules.OneCycle", "init_args": {"peak": 0.5}},
        "image_shape": [1, 28, 28],
        "_instantiator": "pytorch_lightning.cli.instantiate_module",
    }  # fmt: skip
    saved = {"state_dict": model.state_dict(), "hyper_parameters": settings}
    torch.save({**saved, "pytorch-lightning_version": pl.__version__}, "other.ckpt")
    again = DefendedClassifier.load_from_checkpoint("other.ckpt")
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(again.eval()(images), model.eval()(images))
    assert again.classifier.act.alpha == 0.5
    assert again.build_optimizer([nn.Parameter(torch.zeros(1))]).param_groups[0]["lr"] == 0.25
    torch.testing.assert_close(Transfer("other.ckpt")(model)(images), model(images))


def test_a_module_beside_the_checkpoint_is_built_once_the_user_has_imported_it():
    import beside  # as the user's own settings do

    Path("ran").unlink()
    model = checkpoint(classifier={"class_path": "beside.Net", "init_args": {"width": 4}})
    again = DefendedClassifier.load_from_checkpoint("other.ckpt")
    assert type(again.classifier) is beside.Net
    assert torch.equal(again.classifier.layers[1].weight, model.classifier.layers[1].weight)


def test_classes_that_the_settings_name_for_a_surrogate_are_imported_and_no_others():
    model = checkpoint(classifier={"class_path": "beside.Net", "init_args": {"width": 4}})
    images = torch.rand(2, 1, 28, 28)
    with pytest.raises(ValueError, match=r"found 'beside\.Net'; if it is yours, .* in `classes` of Transfer"):
        Transfer("other.ckpt")(model)
    assert torch.equal(Transfer("other.ckpt", ["beside.Net"])(model)(images), model(images))
    for wrong in ("beside.Nets", "nowhere.Net", "Net", ""):
        with pytest.raises(ValueError, match=r"`classes` of Transfer must name classes of yours as module\.Class"):
            Transfer("other.ckpt", [wrong])(model)


@pytest.mark.parametrize("name", ["/etc/hostname", "../epoch0.ckpt", "a/b.ckpt", 3])
@pytest.mark.parametrize("key", ["best_k_models", "best_model_path", "kth_best_model_path", "last_model_path"])
def test_a_checkpoint_names_no_file_elsewhere_that_would_be_deleted_as_no_longer_among_the_best(name, key):
    state = {"best_k_models": {}, "best_model_path": "", "kth_best_model_path": "", "last_model_path": "last.ckpt"}
    kept = RunCheckpoints()
    kept.load_state_dict({**state, "best_k_models": {"epoch0.ckpt": 0.5}})
    with pytest.raises(ValueError, match="whose best epochs lie beside it, found"):
        kept.load_state_dict({**state, key: {name: 0.5} if key == "best_k_models" else name})


def test_a_model_built_from_python_asks_for_its_parts_and_takes_them():
    model = checkpoint()
    saved = torch.load("other.ckpt", weights_only=True)
    del saved["hyper_parameters"]
    torch.save(saved, "other.ckpt")
    with pytest.raises(ValueError, match="`classifier` is not in a checkpoint of a model that was built from Python"):
        DefendedClassifier.load_from_checkpoint("other.ckpt")
    again = DefendedClassifier.load_from_checkpoint("other.ckpt", classifier=lambda c, k: Small(c, k, 4), frontend=Half)
    assert torch.equal(again.classifier.layers[1].weight, model.classifier.layers[1].weight)


def test_no_weights_are_fetched_again_for_a_checkpoint_that_has_them():
    """A file that the classifier once began with may be anybody's by now."""
    checkpoint(
        classifier={
            "class_path": "sparsefront.classifiers.Timm",
            "init_args": {"model_name": "test_resnet", "pretrained": "gone.pt", "checkpoint_path": "gone.pt"},
        }
    )
    with pytest.raises(ValueError, match="belongs to another front end or classifier"):  # and not: there is no gone.pt
        DefendedClassifier.load_from_checkpoint("other.ckpt")


def test_a_function_for_an_argument_of_no_type_stays_a_text(monkeypatch):
    monkeypatch.setattr(torch.optim.lr_scheduler.LambdaLR.__init__, "__annotations__", {})  # torch 2.8 says one
    text = {"class_path": "os.system", "init_args": TOUCH}
    schedule = {"class_path": "torch.optim.lr_scheduler.LambdaLR", "init_args": {"lr_lambda": text}}
    checkpoint(scheduler=schedule)
    model = DefendedClassifier.load_from_checkpoint("other.ckpt")
    assert model.build_scheduler.keywords == {"lr_lambda": text}
    assert not Path("ran").exists()
