"""Every public class of the project, found by walking its packages, names a setting that cannot be."""

import importlib
import inspect
import math
import pkgutil
import re
from typing import Annotated, get_args, get_origin

import pytest
import torch
from PIL import Image
from torch import nn

import sparsefront
import sparsefront.data
from sparsefront import DefendedClassifier, RobustEvaluation, attacks, classifiers, frontends
from sparsefront.attacks import FGSM, PGD, Attack, NamedAttack, Square, View, WhiteBox
from sparsefront.common.settings import CheckedSettings
from sparsefront.data import ImageData, MNIST5k
from sparsefront.data.settings import PeopleSettings
from sparsefront.data.torchvision_data import TorchvisionData
from sparsefront.frontends import FrontEnd, Identity, TopT
from sparsefront.frontends.settings import TopTLearning

pytestmark = pytest.mark.filterwarnings("ignore")
NONSENSE = [
    None, -1, 0, math.nan, math.inf, -math.inf, "", " ", "nonsense", 10**30, -(10**30), 10**15, 2.5, True, [], [1, 2],
    [None], {}, {"a": 1}, object(), b"x", 3j, int, len,
]  # fmt: skip
REQUIRED = {
    "image_shape": (1, 16, 16), "in_chans": 1, "num_classes": 2, "attack": PGD(), "name": "a", "checkpoint": "x.ckpt",
    "model_name": "test_resnet", "parts": [Identity], "classifier": classifiers.ConvNet, "n_atoms": 4,
}  # fmt: skip
BASES = (Attack, View, FrontEnd, ImageData, CheckedSettings)


def classes():
    """All concrete public classes that YAML or a user's program may build."""
    found = {NamedAttack, DefendedClassifier}
    for package in (attacks, frontends, classifiers, sparsefront):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if "__main__" in module.name:
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                if inspect.isclass(value) and value.__module__ == module.name and not name.startswith("_"):
                    public = issubclass(value, BASES) or name in getattr(package, "__all__", ())
                    found |= {value} if public and not inspect.isabstract(value) else set()
    return sorted(
        found - {CheckedSettings, TorchvisionData, attacks.Chain}, key=lambda kind: (kind.__module__, kind.__name__)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of four people, and nothing that is downloaded."""
    root = tmp_path_factory.mktemp("faces")
    for person in range(4):
        (root / f"p{person}").mkdir()
        for number in range(6):
            Image.new("L", (8, 8), 40 * person + number).save(root / f"p{person}" / f"{number}.png")
    return root


def surely_wrong(annotation, value):
    """Whether a value is none of what an annotation's text names, in Python's own terms."""
    annotation = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    text = re.sub(r"typing\.|collections\.abc\.", "", str(annotation).replace("<class '", "").replace("'>", ""))
    names = set(re.split(r"[^A-Za-z]+", text))
    if value is None:
        return "None" not in names and names <= {"int", "float", "str", "bool", "Literal", "Sequence", "list", "tuple"}
    if isinstance(value, bool):
        return text in ("int", "float", "str", "int | None", "float | None", "str | None", "float | str")
    if isinstance(value, float) and not math.isfinite(value):
        return not names & {"Any", "object"}
    if isinstance(value, float) and text in ("int", "int | None", "bool"):
        return True
    if isinstance(value, str):
        return text in ("int", "float", "bool", "int | None", "float | None", "int | float")
    if isinstance(value, dict | bytes | complex) or type(value) is object:
        return not names & {"Any", "object", "dict", "Mapping"}
    return isinstance(value, list) and text in (
        "int",
        "float",
        "str",
        "bool",
        "int | None",
        "float | None",
        "float | str",
    )


def verdict(kind, arguments, name, value):
    """What is wrong with how a class meets a value; None where nothing is."""
    try:
        kind(**{**arguments, name: value})
    except (ValueError, TypeError, FileNotFoundError) as error:
        if re.search(rf"`([\w.]+\.)?{name}`", str(error)):
            return None
        return f"{name}={value!r}: {type(error).__name__} without the name: {error}"
    except Exception as error:
        return f"{name}={value!r}: {type(error).__name__}: {error}"
    wrong = surely_wrong(inspect.signature(kind).parameters[name].annotation, value)
    return f"{name}={value!r} is accepted" if wrong else None


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_a_setting_that_cannot_be_is_named(kind, folder):
    given = REQUIRED | {"root": str(folder), "folder": str(folder), "val_size": 2}
    given |= {"people": PeopleSettings("p0", holdout=1)}
    parameters = inspect.signature(kind).parameters
    needed = {name for name, one in parameters.items() if one.default is one.empty} | ({"root"} & set(parameters))
    needed |= {"people", "val_size"} if kind.__name__ == "FaceIdentification" else set()
    missing = needed - set(given)
    assert not missing, f"say in REQUIRED what {kind.__name__} is built with: {missing}"
    arguments = {name: given[name] for name in needed}
    # `pretrained: text` of Timm asks a server for weights of that name before it says that there are none.
    tried = [(name, value) for name in parameters for value in NONSENSE if name != "pretrained"]
    found = [verdict(kind, arguments, name, value) for name, value in tried]
    assert not [fault for fault in found if fault]


def test_the_walk_meets_all_that_the_packages_offer():
    names = {kind.__name__ for kind in classes()}
    functions_and_types = {
        "Budget",
        "Chain",
        "Model",
        "Norm",
        "cross_entropy",
        "expanded",
        "margin",
        "perturbation_norm",
        "shows",
        "value_and_gradient",
    }
    offered = {*attacks.__all__, *frontends.__all__, *classifiers.__all__} - functions_and_types
    abstract = {"Attack", "View", "FrontEnd", "ReadOut"}
    assert offered - abstract <= names
    assert {"FrontEndCache", "RobustEvaluation", "Representations", "MNIST5k", "DSCLayer"} <= names


class Mine(FrontEnd):
    """A front end of somebody else's, with nothing but annotations."""

    def __init__(self, image_shape: tuple[int, int, int], radius: int = 1, missing: "NotThere" = None):  # noqa: F821
        super().__init__(image_shape)
        self.radius = radius

    def forward(self, images):
        return images


class Typed(Mine):
    def __init__(self, image_shape: tuple[int, int, int], radius: int = 1, scale: float = 1.0):
        super().__init__(image_shape, radius)


def test_a_users_own_class_is_looked_at_by_its_annotations_and_let_be_where_they_cannot_be_read():
    assert Mine((1, 8, 8), radius=None).radius is None
    with pytest.raises(ValueError, match=r"^`radius` must be an integer, found None"):
        Typed((1, 8, 8), radius=None)
    with pytest.raises(ValueError, match=r"^`scale` must be a finite number, found nan"):
        Typed((1, 8, 8), scale=math.nan)
    assert list(inspect.signature(Typed).parameters) == ["image_shape", "radius", "scale"]


@pytest.mark.parametrize("number", [3, torch.tensor(3), torch.tensor(3).numpy()[()]], ids=["python", "torch", "numpy"])
def test_integers_of_other_libraries_are_integers(number):
    assert int(TopTLearning(seed=number).seed) == 3


@pytest.mark.parametrize("built", [nn.Linear(4, 2), classifiers.ConvNet(1, 10)])
def test_a_classifier_that_is_built_already_is_refused_with_the_way_to_bring_it(built):
    with pytest.raises(ValueError, match=r"^`classifier` must be a class, or a function that returns .*lambda"):
        DefendedClassifier(built)
    model = DefendedClassifier(lambda *sizes: classifiers.ConvNet(1, 10))
    assert model(torch.rand(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize("front_end", [Identity((1, 8, 8)), "Identity", None, 3])
def test_a_front_end_that_is_no_class_is_refused(front_end):
    with pytest.raises(ValueError, match=r"^`frontend` must be a class, or a function that returns a FrontEnd, found"):
        DefendedClassifier(classifiers.ConvNet, front_end)


def test_an_attack_that_is_not_built_is_refused_with_the_mend():
    with pytest.raises(ValueError, match=r"^`attack` must be an Attack, found the class PGD; write PGD\(\.\.\.\)"):
        NamedAttack("p", PGD)
    entries = "a NamedAttack or a Standard or one of quick, standard, thorough, "
    with pytest.raises(ValueError, match=f"^`attacks` must be a list, each entry {entries}"):
        RobustEvaluation([PGD()])


@pytest.mark.parametrize(
    ("norm", "most"), [("L2", 16.0), ("L1", 256.0)], ids=["L2", "L1"],
)  # fmt: skip
def test_a_ball_that_holds_every_image_is_refused(norm, most):
    """16x16 pixels: black and white are sqrt(256) and 256 apart."""
    images, labels = torch.rand(2, 1, 16, 16), torch.tensor([0, 1])
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 10))
    PGD(eps=most, norm=norm, steps=1)(model, images, labels)
    for attack in (PGD(eps=most + 1, norm=norm), Square(eps=most + 1, norm=norm), FGSM(eps=most + 1, norm=norm)):
        with pytest.raises(ValueError, match=rf"`eps` must be at most {most:g} in {norm}.*write {most + 1:g}/255"):
            attack(model, images, labels)
        defended = DefendedClassifier(classifiers.ConvNet, image_shape=(1, 16, 16))
        with pytest.raises(ValueError, match=rf"^Attack 'far': `eps` must be at most {most:g} in {norm}"):
            RobustEvaluation([NamedAttack("far", attack)]).check(defended)


@pytest.mark.parametrize("mode", ["nonsense", "Exact", "", "smoth"])
def test_a_backward_mode_that_no_front_end_has_is_refused_without_one_too(mode):
    with pytest.raises(ValueError, match=r"`backward` of Identity must be one of exact, .*, found"):
        WhiteBox(mode)(DefendedClassifier(classifiers.ConvNet))


def test_identity_knows_every_backward_mode_of_the_project():
    """Read in the source, so that a mode which only some settings have is not missed."""
    found = set()
    for kind in classes():
        if issubclass(kind, FrontEnd) and kind.__module__.startswith("sparsefront.frontends."):
            for owner in kind.__mro__:
                if "backward_modes" in vars(owner):
                    found |= set(re.findall(r'"(\w+)": ', inspect.getsource(owner.backward_modes)))
    assert {"exact", "smooth", "identity"} < found
    assert found == set(Identity.modes)


@pytest.mark.parametrize("images", [[[0.5]], "images", None, torch.rand(2, 1, 28, 28).numpy()])
def test_arrays_in_place_of_tensors_are_named(images):
    labels = torch.tensor([0, 1])
    with pytest.raises(TypeError, match=r"^`images` must be a torch tensor, found .*torch.as_tensor"):
        PGD()(classifiers.ConvNet(1, 10), images, labels)
    with pytest.raises(TypeError, match=r"^`images` must be a torch tensor"):
        TopT((1, 28, 28), n_atoms=20, dictionary="dct", top_t=3).check_images(images)
    with pytest.raises(TypeError, match=r"^`labels` must be a torch tensor"):
        PGD()(classifiers.ConvNet(1, 10), torch.rand(2, 1, 28, 28), labels.numpy())


@pytest.mark.parametrize("value", [None, "12", 1.5, True, [1]])
def test_the_data_say_which_size_is_none(value):
    with pytest.raises(ValueError, match=r"^`batch_size` must be an integer, found"):
        MNIST5k(batch_size=value)
