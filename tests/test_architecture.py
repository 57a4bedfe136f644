"""Rooms, and the arrows between them and between files."""

import ast
import importlib
import inspect
import re
import typing
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from sparsefront.attacks import Attack
from tests.helpers.places import ROOT

PLUGINS = ("attacks", "classifiers", "frontends")
ROOMS = {
    "sparsecode": set(),
    "sparsefront.common": {"sparsecode"},
    "sparsefront.frontends": {"sparsecode", "sparsefront.common"},
    "sparsefront.classifiers": {"sparsefront.common"},
    "sparsefront.attacks": {"sparsecode", "sparsefront.common"},
    "sparsefront.data": {"sparsefront.common"},
    "sparsefront.runs": {"sparsefront.common"},
    "sparsefront.training.schedules": set(),
    "sparsefront.training.objectives": {
        "sparsefront.classifiers", "sparsefront.common", "sparsefront.data", "sparsefront.frontends",
    },
    "sparsefront.model": {
        "sparsefront.classifiers", "sparsefront.common", "sparsefront.data", "sparsefront.frontends",
        "sparsefront.runs", "sparsefront.training.objectives", "sparsefront.training.schedules",
    },
    "sparsefront.training": {
        "sparsefront.classifiers", "sparsefront.common", "sparsefront.data", "sparsefront.frontends",
        "sparsefront.model", "sparsefront.runs", "sparsefront.training.objectives",
    },
    "sparsefront.results": {"sparsefront.attacks", "sparsefront.common"},
    "sparsefront.studies": {"sparsefront.common", "sparsefront.results", "sparsefront.runs"},
    "sparsefront.figures": {"sparsefront.common", "sparsefront.results"},
    "sparsefront.report": {"sparsefront.common", "sparsefront.figures", "sparsefront.results"},
    "sparsefront.evaluation": {
        "sparsefront.attacks", "sparsefront.classifiers", "sparsefront.common", "sparsefront.data",
        "sparsefront.figures", "sparsefront.model", "sparsefront.results", "sparsefront.runs",
    },
    "sparsefront.analysis": {
        "sparsefront.attacks", "sparsefront.common", "sparsefront.data", "sparsefront.evaluation",
        "sparsefront.figures", "sparsefront.model", "sparsefront.results",
    },
}  # fmt: skip


def module_of(path: Path) -> str:
    """The name a file is imported by: the plug-ins' folders lie at the top and are linked into the package."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    parts = ["sparsefront", *parts] if parts[0] in PLUGINS else parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_of(path): path
    for top in ("src/sparsecode", "src/sparsefront", *PLUGINS)
    for path in sorted((ROOT / top).rglob("*.py"))
    if not any(part.is_symlink() for part in (path, *path.parents) if part.is_relative_to(ROOT))
}


def nodes(path, *, when_imported=False):
    tree = ast.parse(path.read_text())
    ahead = list(tree.body) if when_imported else [tree]
    while ahead:
        node = ahead.pop()
        yield node
        if when_imported and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if when_imported and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        ahead.extend(ast.iter_child_nodes(node))


def imported(path, **how):
    """The modules that a file imports: those of ours by the name of a file, others by their dotted name."""
    for node in nodes(path, **how):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in FILES else node.module


def room_of(module):
    """The innermost room that is named; else the package's folder, or the package."""
    parts = module.split(".")
    named = [room for room in ROOMS if f"{module}.".startswith(f"{room}.")]
    if named:
        return max(named, key=len)
    return ".".join(parts[:2]) if parts[0] == "sparsefront" else parts[0]


def test_every_file_is_in_a_room():
    loose = {"sparsefront", "sparsefront.py"}
    rooms = {room_of(name) for name in FILES if name not in loose}
    assert rooms == {*ROOMS, "sparsefront.cli"}


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_arrows_point_the_right_way(room):
    met = [name for name in FILES if room_of(name) == room]
    assert met
    for name in met:
        wrong = {one for one in imported(FILES[name]) if one.split(".")[0] in ("sparsecode", "sparsefront")}
        wrong = {one for one in wrong if room_of(one) not in ROOMS[room] | {room}}
        assert not wrong, f"{name} imports {wrong}"


def test_no_file_is_imported_under_a_name_at_the_top():
    for path in FILES.values():
        assert not set(PLUGINS) & {name.split(".")[0] for name in imported(path)}, path


@pytest.mark.parametrize("room", ["sparsecode", "sparsefront.attacks", "sparsefront.classifiers"])
def test_numerics_know_nothing_of_lightning(room):
    for name, path in FILES.items():
        if room_of(name) == room:
            assert not {"pytorch_lightning", "lightning"} & {one.split(".")[0] for one in imported(path)}, path


def test_classifiers_import_scikit_learn_where_it_is_used():
    """They may be imported before Lightning, whose Trainer would then read 1 batch as all of them."""
    for name, path in FILES.items():
        if room_of(name) == "sparsefront.classifiers":
            assert "sklearn" not in {one.split(".")[0] for one in imported(path, when_imported=True)}, path


def test_the_two_lightnings_are_never_mixed():
    for path in ROOT.glob("**/*.py"):
        if not any(part.startswith(".") for part in path.relative_to(ROOT).parts):
            assert "lightning" not in {name.split(".")[0] for name in imported(path)}, path


def circles(edges):
    """Ways from a file back to itself, one for each edge that closes one."""
    found, ahead, done = [], [], set()

    def visit(name):
        ahead.append(name)
        for other in sorted(edges[name]):
            if other in ahead:
                found.append([*ahead[ahead.index(other) :], other])
            elif other not in done:
                visit(other)
        done.add(ahead.pop())

    for name in edges:
        if name not in done:
            visit(name)
    return found


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()}) == [["a", "b", "c", "a"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


CIRCLES = circles({name: {one for one in imported(path) if one in FILES} - {name} for name, path in FILES.items()})


def test_no_files_import_each_other_not_even_within_functions_or_for_types():
    assert not [" -> ".join(circle) for circle in CIRCLES]


@pytest.mark.parametrize(
    ("package", "kind"), [("frontends", "FrontEnd"), ("attacks", "Attack")], ids=["frontends", "attacks"]
)
def test_the_root_of_a_folder_of_plug_ins_holds_one_of_them_a_file(package, kind):
    offered = importlib.import_module(f"sparsefront.{package}")
    files = [
        path
        for path in sorted((ROOT / package).glob("*.py"))
        if path.stem not in ("__init__", "base", "named", "protocol")
    ]
    assert files
    for path in files:
        classes = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        public = [name for name in classes if not name.startswith("_")]
        assert len(public) == 1, f"{path.name} defines {public}"
        assert public[0] in offered.__all__
        assert issubclass(getattr(offered, public[0]), getattr(offered, kind))
        assert path.stem.replace("_", "") == public[0].lower(), f"{path.name} is not named after {public[0]}"


WITHOUT_A_MIRROR = {
    "src/sparsecode/_native": "the compiled kernels are tested as the backend of each coder, beside the other one",
}


def mirror_of(folder):
    """The folder of the tests that belongs to a folder of the source, both relative to the root."""
    return "tests" / (folder.relative_to("src") if folder.parts[0] == "src" else folder)


def test_every_folder_of_the_source_has_its_tests_in_its_mirror():
    folders = {path.parent.relative_to(ROOT) for path in FILES.values()}
    untested = {str(one) for one in folders if not [*(ROOT / mirror_of(one)).glob("test_*.py")]}
    assert untested == set(WITHOUT_A_MIRROR)


def test_every_folder_of_tests_mirrors_one_of_the_source():
    mirrors = {mirror_of(path.parent.relative_to(ROOT)) for path in FILES.values()}
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders - mirrors <= {Path("tests"), Path("tests/benchmarks")}


def test_the_root_of_data_holds_data_modules_and_what_they_share_with_all_rooms():
    data = importlib.import_module("sparsefront.data")
    inherited_or_handed_over = {"__init__", "base", "torchvision_data", "batch", "named_batch"}
    root = FILES["sparsefront.data"].parent
    files = [path for path in sorted(root.glob("*.py")) if path.stem not in inherited_or_handed_over]
    assert files
    for path in files:
        classes = [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
        assert len(classes) == 1, f"{path.name} defines {classes}"
        assert classes[0] in data.__all__
        assert issubclass(getattr(data, classes[0]), data.ImageData)
        assert path.stem.replace("_", "") == classes[0].lower(), f"{path.name} is not named after {classes[0]}"


def test_nobody_outside_takes_attacks_apart():
    """What the rest of the house needs is exported by the package; a plug-in's file and the views are named alone."""
    inside = ("sparsefront.attacks.parts.", "sparsefront.attacks.base")
    for name, path in FILES.items():
        if room_of(name) != "sparsefront.attacks":
            assert not {one for one in imported(path) if one.startswith(inside)}, name


def roots_of(package):
    """The modules and packages of plug-ins: what several share lies in `parts`, `settings` and `views`."""
    shared = {f"sparsefront.{package}.{name}" for name in ("parts", "settings", "views")}
    below = {name for name in FILES if name.startswith(f"sparsefront.{package}.")}
    return {name for name in below if not any(f"{name}.".startswith(f"{one}.") for one in shared)}


def test_parts_of_attacks_know_no_attack_but_its_contract():
    roots = roots_of("attacks")
    for name, path in FILES.items():
        if name.startswith("sparsefront.attacks.parts."):
            known = roots & set(imported(path))
            assert known <= {"sparsefront.attacks.base"}, f"{name} imports {known}"


def test_parts_of_front_ends_know_no_front_end_but_its_contract():
    roots = roots_of("frontends")
    for name, path in FILES.items():
        if name.startswith("sparsefront.frontends.parts."):
            known = roots & set(imported(path))
            assert known <= {"sparsefront.frontends.base"}, f"{name} imports {known}"


@pytest.mark.parametrize("package", ["sparsecode", "sparsecode.hierarchy"])
def test_every_module_of_the_engine_is_exported_documented_or_private(package):
    exported = set(importlib.import_module(package).__all__)
    documented = (ROOT / "docs/sparsecode.md").read_text()
    for path in sorted(FILES[package].parent.glob("[!_]*.py")):
        defined = {getattr(node, "name", None) for node in ast.parse(path.read_text()).body}
        assert exported & defined or f"`{package}.{path.stem}`" in documented, f"{path.name}: begin its name with _"


def test_nobody_outside_imports_private_modules_of_the_engine():
    outside = [path for name, path in FILES.items() if room_of(name) != "sparsecode"]
    for path in [*outside, *(ROOT / "benchmarks").rglob("*.py")]:
        assert not {one for one in imported(path) if one.startswith("sparsecode.") and "._" in one}, path


def private_names(path):
    """Lines on which a file reaches for a private name of what is not its own: an attribute, or a class inherited."""
    tree = ast.parse(path.read_text())
    imported_private = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("sparsefront")
        for alias in node.names
        if alias.name.startswith("_") and alias.name[1].isupper()
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and imported_private & {ast.unparse(base) for base in node.bases}:
            yield node.lineno
        if not isinstance(node, ast.Attribute) or not re.match(r"_(?!_|replace$|fields$|asdict$|exit$)", node.attr):
            continue
        if ast.unparse(node.value) not in ("self", "cls"):
            yield node.lineno


@pytest.mark.parametrize("room", ["model", "runs", "training"])
def test_a_private_name_of_another_library_says_why_and_where_it_was_met(room):
    for name, path in FILES.items():
        if name.startswith(f"sparsefront.{room}."):
            lines = path.read_text().splitlines()
            silent = [n for n in private_names(path) if "private in" not in "".join(lines[max(n - 12, 0) : n])]
            assert not silent, f"{name}, lines {silent}: say `private in LIBRARY VERSION` and why"


HANDED_OVER = {"attacks", "image_shape", "in_chans", "num_classes"}  # by the list at the top, and by the data
AIM = {"norm", "eps", "relative", "loss", "targeted", "eot_iter"}  # what an attack may be told whatever its paper
MORE_THAN_EIGHT = {  # docs/architecture.md, "Settings", has the reasons
    "Timm": 9,  # those of every classifier, and of timm.create_model
    "NES": 9,  # those of PGD, which it walks as, and of its estimate
}
NAMED_IN_YAML = (
    *("sparsefront", "sparsefront.analysis", "sparsefront.attacks", "sparsefront.attacks.views", "sparsefront.data"),
    *("sparsefront.classifiers", "sparsefront.frontends", "sparsefront.frontends.dsc", "sparsefront.frontends.stl"),
    "sparsefront.training.objectives",
)


def classes_named_in_yaml():
    """Classes that a configuration names, and the groups of settings that their constructors take."""
    for room in NAMED_IN_YAML:
        module = importlib.import_module(room)
        values = [getattr(module, name) for name in module.__all__]
        ahead = [value for value in values if inspect.isclass(value)]
        while ahead:
            kind = ahead.pop()
            if not inspect.isabstract(kind) and not issubclass(kind, tuple):  # a tuple is handed out, not built
                yield kind
            hints = typing.get_type_hints(kind.__init__).values() if "__init__" in vars(kind) else ()
            inner = [one for hint in hints for one in (hint, *typing.get_args(hint))]
            ahead += [one for one in inner if inspect.isclass(one) and is_dataclass(one) and one is not kind]


def written_settings(kind):
    """The settings of a class that a user writes below it."""
    handed_over = AIM if issubclass(kind, Attack) else HANDED_OVER
    return set(inspect.signature(kind).parameters) - handed_over


def test_a_class_has_at_most_eight_settings_beside_its_groups():
    settings = {kind.__name__: written_settings(kind) for kind in classes_named_in_yaml()}
    assert {"CIFAR10", "DefendedClassifier", "FileReading", "KeptPictures", "PGD", "TopTQuantizer"} <= set(settings)
    many = {name: len(names) for name, names in settings.items() if len(names) > 8}
    assert many == MORE_THAN_EIGHT
