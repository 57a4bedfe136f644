"""Which settings may be others than a checkpoint's."""

import copy
import importlib
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import LambdaLR, StepLR

from sparsefront.runs.resumed_settings import ResumedSettings, follows_the_step
from sparsefront.runs.same_settings import BATCH, check_resumed, check_tested, kept_settings, other_settings
from sparsefront.runs.settings_differences import Difference, differences
from sparsefront.training.schedules import OneCycle

MODEL = {
    "frontend": {
        "class_path": "sparsefront.frontends.TopT",
        "init_args": {"top_t": 5, "sigma": 0.5, "strata_checkpoint": None},
    },
    "classifier": {
        "class_path": "sparsefront.classifiers.Timm",
        "init_args": {"model_name": "resnet18", "pretrained": True},
    },
    "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.002, "betas": [0.9, 0.999]}},
    "scheduler": {"class_path": "sparsefront.training.schedules.OneCycle", "init_args": {"peak": 0.5}},
    "class_weights": None,
    "classifier_checkpoint": "runs/a",
    "image_shape": (1, 28, 28),
    "num_classes": 10,
}
CONFIG = {
    "seed_everything": 0,
    "data": {"class_path": "sparsefront.data.MNIST5k", "init_args": {
        "batch_size": 64, "seed": 0, "image_size": None, "val_size": 0.1, "test_size": 1000,
        "reading": {"num_workers": 0}, "augment": "none", "root": "data"}},
    "trainer": {"max_epochs": 4, "precision": None, "devices": "auto", "accumulate_grad_batches": 1},
}  # fmt: skip
LOOPS = {
    "fit_loop": {
        "epoch_progress": {"current": {"processed": 2}},
        "epoch_loop.batch_progress": {"is_last_batch": True, "current": {"completed": 3}},
    }
}


def changed(settings, name, value):
    """A copy with one setting changed, which is named as on the command line."""
    found = copy.deepcopy(settings)
    *path, last = name.split(".")
    at = found
    for key in path:
        at = at[key]
        at = at.get("init_args", at)
    if isinstance(at.get(last), dict) and "class_path" in at[last]:
        at[last] = value if value is None else {"class_path": value, "init_args": {"other": 1}}
    else:
        at[last] = value
    return found


def compared(model=MODEL, config=CONFIG, world_size=1, middle=False):
    """What differs from a checkpoint of MODEL and CONFIG on one process."""
    loops = copy.deepcopy(LOOPS)
    if middle:
        loops["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
    content = {"hyper_parameters": MODEL, "sparsefront": {"settings": kept_settings(CONFIG, 1)}, "loops": loops}
    content |= {"global_step": 6, "optimizer_states": [], "lr_schedulers": []}
    return other_settings(content, model, kept_settings(config, world_size)), content


def one(name, value):
    first, rest = name.split(".", 1) if "." in name else ("", name)
    if first == "model":
        return compared(model=changed(MODEL, rest, value))
    return compared(config=changed(CONFIG, name, value))


def test_the_same_settings_differ_in_nothing_whatever_way_they_are_written():
    model = changed(MODEL, "image_shape", [1, 28, 28])
    model = changed(model, "frontend.sigma", "1/2")
    model["frontend"]["class_path"] = "sparsefront.frontends.top_t.TopT"
    assert compared(model)[0] == []
    for name, value in [("classifier.pretrained", False), ("classifier_checkpoint", None)]:
        assert compared(changed(MODEL, name, value))[0] == []  # sources of weights that the checkpoint replaces
    assert one("data.reading.num_workers", 4)[0]
    assert check_resumed(*one("data.reading.num_workers", 4), "p", closed=True) == []


values = st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["8/255", "1/0", "a.B", ""]))
trees = st.recursive(values, lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), max_leaves=8)


@given(st.dictionaries(st.sampled_from("abcd"), trees, max_size=4))
def test_settings_do_not_differ_from_themselves_nor_where_one_side_does_not_know_them(settings):
    assert differences(settings, copy.deepcopy(settings)) == []
    assert differences(settings, {"e": settings}) == differences({}, settings) == []


def of_classes(before, now):
    """What differs between two classifiers."""
    return [str(one) for one in differences({"model": {"classifier": before}}, {"model": {"classifier": now}})]


def test_two_classes_of_one_name_in_one_package_are_two_and_one_that_is_handed_on_is_one(tmp_path, monkeypatch):
    package = tmp_path / "netpkg"
    package.mkdir()
    for module in "ab":
        (package / f"{module}.py").write_text("class Net: ...\nclass Outer:\n    class Inner: ...\n")
    (package / "__init__.py").write_text("from netpkg.a import Net\nfrom netpkg import b\n")
    monkeypatch.syspath_prepend(tmp_path)
    other = {"class_path": "netpkg.b.Net"}
    for path in ("netpkg.a.Net", "netpkg.Net"):
        for _ in range(2):  # before the package is in use, and after
            assert of_classes({"class_path": path}, other) == [f"model.classifier: {path} → netpkg.b.Net"]
            importlib.import_module("netpkg")
        for name in [name for name in sys.modules if name.startswith("netpkg")]:
            monkeypatch.delitem(sys.modules, name)
    importlib.import_module("netpkg")
    assert of_classes({"class_path": "netpkg.a.Net"}, {"class_path": "netpkg.Net"}) == []
    listed = [{"class_path": "netpkg.a.Net"}], [other]
    assert len(of_classes(*({"class_path": "x.Y", "init_args": {"parts": parts}} for parts in listed))) == 1


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("torch.optim.Adam", "torch.optim.adam.Adam"),
        ("sparsefront.classifiers.ConvNet", "sparsefront.classifiers.convnet.ConvNet"),
        ("sparsefront.frontends.moved.TopT", "sparsefront.frontends.TopT"),
        ("torch.nn.ReLU", "torch.nn.modules.activation.ReLU"),
    ],
)  # fmt: skip
def test_short_and_full_paths_of_known_classes_are_the_same(path, other):
    assert of_classes({"class_path": path}, {"class_path": other}) == []


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, {"neg": True}), ({"neg": True}, None), ({}, {"neg": True}), ({"neg": True}, {}),
        ({"neg": True}, {"neg": False}), ({"a": 1}, {"a": 1, "b": 2}), ({"a": {"b": None}}, {"a": {"b": 0}}),
        ({"a": 1}, {"class_path": "x.Y"}), ([{"a": 1}], [{"a": 1, "b": 1}]),
    ],
)  # fmt: skip
def test_a_mapping_is_compared_as_one_value(before, now):
    with_options = ({"class_path": "x.Y", "init_args": {"options": options}} for options in (before, now))
    (found,) = of_classes(*with_options)
    assert found.startswith("model.classifier.options: ")
    (found,) = differences({"model": {"options": before}}, {"model": {"options": now}})
    assert found.name == "model.options"


@dataclass(frozen=True)
class Learning:
    n_iterations: int = 100
    shape: dict[str, int] | None = None


class Grouped:
    def __init__(self, learning: Learning | None = None, options: dict[str, int] | None = None) -> None: ...


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"n_iterations": 1}, {"n_iterations": 2}, ["model.classifier.learning.n_iterations: 1 → 2"]),
        ({"n_iterations": 1}, {"n_iterations": 1, "added_later": 2}, []),
        ({"n_iterations": 1}, None, ["model.classifier.learning: {'n_iterations': 1} → null"]),
        ({"shape": {"a": 1}}, {"shape": {}}, ["model.classifier.learning.shape: {'a': 1} → {}"]),
    ],
)
def test_settings_that_a_dataclass_groups_are_compared_one_by_one(before, now, found):
    path = f"{Grouped.__module__}.{Grouped.__qualname__}"
    sides = ({"class_path": path, "init_args": {"learning": group, "options": {}}} for group in (before, now))
    assert of_classes(*sides) == found


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"a": 1}, {}, "a: 1 → null"), ({}, {"a": 1}, "a: null → 1"), ({"a": 1}, {"a": 2}, "a: 1 → 2"),
        (None, {"a": {"b": 1}}, "a: null → {'b': 1}"), ({"a": (1, 2)}, {"a": [1, 2]}, None), ({}, None, None),
    ],
)  # fmt: skip
def test_settings_that_a_class_takes_by_any_name_are_compared_in_both_directions(before, now, found):
    sides = ({"class_path": "x.Y", "init_args": {"b": 1}, "dict_kwargs": kwargs} for kwargs in (before, now))
    assert of_classes(*sides) == ([] if found is None else [f"model.classifier.{found}"])


def test_a_class_that_is_another_one_stands_for_its_settings():
    (found,), _ = one("model.frontend", "sparsefront.frontends.Identity")
    assert str(found) == "model.frontend: frontends.TopT → frontends.Identity"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.frontend", "sparsefront.frontends.DDL"), ("model.frontend.top_t", 6),
        ("model.classifier.model_name", "resnet50"),
        ("model.optimizer", "torch.optim.SGD"), ("model.scheduler", None), ("model.scheduler.peak", 0.3),
        ("model.image_shape", (3, 28, 28)), ("model.num_classes", 2), ("data", "sparsefront.data.MNIST"),
        ("data.seed", 1), ("data.image_size", 32), ("data.batch_size", 32), ("data.test_size", 10),
        ("data.val_size", 21), ("seed_everything", 1), ("trainer.accumulate_grad_batches", 2),
    ],
)  # fmt: skip
def test_a_resumed_fit_refuses_what_it_would_lose_and_names_both_values(name, value):
    found, content = one(name, value)
    with pytest.raises(ValueError, match="must be resumed with its own settings, found ") as refusal:
        check_resumed(found, content, "r/last.ckpt", closed=True)
    assert f"{name}: " in str(refusal.value)
    assert " → " in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trainer.max_epochs", 9), ("trainer.max_epochs", 2), ("trainer.precision", "bf16-mixed"),
        ("model.optimizer.lr", 0.1), ("model.class_weights", [1.0] * 10), ("data.augment", "crop_flip"),
        ("data.root", "elsewhere"), ("trainer.devices", 1),
    ],
)  # fmt: skip
def test_a_resumed_fit_takes_and_says_what_it_can(name, value):
    found, content = one(name, value)
    (taken,) = check_resumed(found, content, "p", closed=True)
    assert (taken.name, taken.now) == (name, value)


def test_fewer_epochs_than_are_done_are_refused():
    with pytest.raises(ValueError, match=r"`trainer\.max_epochs` must be at least 2, which r has behind it, found 1"):
        check_resumed(*one("trainer.max_epochs", 1), "r", closed=True)


@pytest.mark.parametrize("absent", ["optimizer_states", "lr_schedulers"])
def test_weights_alone_are_no_fit_to_go_on_with(absent):
    found, content = compared()
    del content[absent]
    with pytest.raises(ValueError, match="found weights alone") as refusal:
        check_resumed(found, content, "p", closed=True)
    assert "--model.classifier_checkpoint" in str(refusal.value)


def test_a_schedule_of_one_length_and_peak_is_not_bent():
    for name, value in [("trainer.max_epochs", 9), ("model.optimizer.lr", 0.1)]:
        with pytest.raises(ValueError, match=f"found {name}: "):
            check_resumed(*one(name, value), "p", closed=False)


def test_other_processes_are_taken_where_as_many_images_make_a_step_but_not_within_an_epoch():
    half = changed(CONFIG, "data.batch_size", 32)
    assert check_resumed(*compared(config=half, world_size=2), "p", closed=True)
    with pytest.raises(ValueError, match=r"data\.batch_size: 64 → 32"):
        check_resumed(*compared(config=half, world_size=2, middle=True), "p", closed=True)
    with pytest.raises(ValueError, match=f"found {BATCH}: 64 → 128"):
        check_resumed(*compared(world_size=2), "p", closed=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.frontend", "sparsefront.frontends.Identity"), ("model.frontend.sigma", 2.0),
        ("model.classifier.model_name", "b"),
        ("model.image_shape", (3, 28, 28)), ("model.num_classes", 2), ("data.seed", 1), ("data.test_size", 10),
        ("data.image_size", 32),
    ],
)  # fmt: skip
def test_a_test_refuses_what_makes_its_number_anothers_unless_it_is_allowed_on_purpose(name, value):
    found, _ = one(name, value)
    with pytest.raises(ValueError, match=r"`--may_differ '\[.*\]'`, which is recorded") as refusal:
        check_tested(found, [], "p", "test")
    assert f"{name}: " in str(refusal.value)
    for allowed in (name, name.rsplit(".", 1)[0]):
        assert [one.name for one in check_tested(found, [allowed], "p", "test")] == [name]
    with pytest.raises(ValueError, match="p "):
        check_tested(found, [f"{name}x", "attacks"], "p", "test")


@pytest.mark.parametrize(
    "name", ["model.optimizer.lr", "model.scheduler", "data.batch_size", "data.augment", "trainer.max_epochs"]
)
def test_a_test_does_not_ask_how_its_weights_were_trained(name):
    assert check_tested(one(name, None)[0], [], "p", "test") == []


def test_a_test_on_other_data_is_recorded_and_the_validation_part_must_be_the_same():
    found, _ = one("data", "sparsefront.data.MNIST")
    assert [str(one) for one in check_tested(found, [], "p", "test")] == ["data: data.MNIST5k → data.MNIST"]
    found, _ = one("data.val_size", 21)
    assert check_tested(found, [], "p", "test") == []
    with pytest.raises(ValueError, match=r"was trained on other data \(data\.val_size: 0\.1 → 21\)"):
        check_tested(found, [], "p", "validate")


def test_an_older_checkpoint_is_compared_in_what_it_has():
    found = other_settings({"hyper_parameters": MODEL}, changed(MODEL, "frontend.top_t", 6), kept_settings(CONFIG, 1))
    assert [one.name for one in found] == ["model.frontend.top_t"]
    assert other_settings({}, MODEL, kept_settings(CONFIG, 1)) == []


def trained(lr, total, steps, restored=None, **settings):
    """An optimizer with a OneCycle of so many steps, after some of them or with a restored state."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=lr, **settings)
    scheduler = OneCycle(optimizer, total)
    if restored is not None:
        optimizer.load_state_dict(restored[0].state_dict())
        scheduler.load_state_dict(restored[1].state_dict())
    for _ in range(steps):
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        optimizer.step()
        scheduler.step()
    return optimizer, scheduler


def start(pair, *names):
    trainer = SimpleNamespace(optimizers=[pair[0]], lr_scheduler_configs=[SimpleNamespace(scheduler=pair[1])])
    ResumedSettings([Difference(f"model.optimizer.{name}", None, None) for name in names]).on_train_start(trainer, None)


@pytest.mark.parametrize(("lr", "total"), [(0.01, 10), (0.5, 10), (0.01, 30), (0.5, 30)])
def test_a_resumed_fit_has_the_rate_that_an_undisturbed_one_of_its_settings_has_at_this_step(lr, total):
    whole = trained(lr, total, 6)
    resumed = trained(lr, total, 0, trained(0.01, 10, 6))
    start(resumed, *(["lr"] if lr != 0.01 else []))
    for _ in range(3):
        assert resumed[0].param_groups[0]["lr"] == whole[0].param_groups[0]["lr"]
        for optimizer, scheduler in (whole, resumed):
            optimizer.step()
            scheduler.step()


def test_other_settings_of_the_optimizer_are_taken_and_those_that_it_does_not_keep_are_refused():
    resumed = trained(0.01, 10, 0, trained(0.01, 10, 6), weight_decay=0.3)
    assert resumed[0].param_groups[0]["weight_decay"] != 0.3
    start(resumed, "weight_decay")
    assert resumed[0].param_groups[0]["weight_decay"] == 0.3
    with pytest.raises(ValueError, match=r"`model\.optimizer\.sparse` cannot be changed in a resumed fit"):
        start(resumed, "sparse")


def test_which_schedules_follow_the_step():
    kinds = {None: True, OneCycle: True, LambdaLR: True, StepLR: False}
    for kind, closed in kinds.items():
        named = None if kind is None else {"class_path": f"{kind.__module__}.{kind.__qualname__}"}
        assert follows_the_step(named) == closed
