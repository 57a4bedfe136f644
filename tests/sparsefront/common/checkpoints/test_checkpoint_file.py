"""Files of weights are read as data, whatever they were saved through, and damage is seen."""

import pickle
import zipfile
from collections import OrderedDict
from functools import partial
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from sparsefront.classifiers.parts.weights import load_weights
from sparsefront.common.checkpoints.checkpoint_file import read_weights, read_whole_checkpoint
from sparsefront.common.checkpoints.mismatch import explain_mismatch
from sparsefront.common.checkpoints.tensor_digest import DIGEST, digest_of
from sparsefront.common.checkpoints.weight_names import bare, unwrapped
from sparsefront.runs.checkpoint_files import write_checkpoint

read_checkpoint = partial(read_weights, of_run=True)
READERS = [read_weights, read_checkpoint, read_whole_checkpoint]


class Runs:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def whole(state, **more):
    return {"state_dict": state, "pytorch-lightning_version": pl.__version__, "epoch": 1, **more}


def raw(content, path):
    path.write_bytes(pickle.dumps(content))


def old_format(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("write", [torch.save, old_format, raw], ids=["zip", "legacy", "pickle"])
@pytest.mark.parametrize("where", ["alone", "state", "beside", "name", "digest", "version"])
@pytest.mark.parametrize("name", ["x.ckpt", "x.pt", "x.safetensors", "x"])
def test_nothing_in_a_file_runs(read, write, where, name):
    state = network().state_dict()
    content = {
        "alone": Runs(),
        "state": whole({**state, "x": Runs()}),
        "beside": whole(state, callbacks=Runs()),
        "name": whole({**state, Runs(): torch.zeros(1)}),
        "digest": whole(state, **{DIGEST: Runs()}),
        "version": {"state_dict": state, "pytorch-lightning_version": Runs()},
    }[where]
    write(content, Path(name))
    with pytest.raises(ValueError, match=f"`option` must .* found .*{name}"):
        read(name, "option")
    assert not Path("ran").exists()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "address", ["http://x.org/a.ckpt", "https://x.org/a.ckpt", "HTTP://x", "s3://b/a", "file:///a", "memory://a",
                "simplecache::http://x/a", "hf://a/b"],
)  # fmt: skip
def test_an_address_is_refused(read, address):
    with pytest.raises(ValueError, match=r"`option` must name .* on this machine, found .*; download it"):
        read(address, "option")


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("missing", ["nowhere.ckpt", ".", "/dev/null", "registry:model", "hpc"])
def test_no_file_is_named(read, missing):
    with pytest.raises(FileNotFoundError, match=f"`option` must name .*, found none at {missing}"):
        read(missing, "option")


@pytest.mark.parametrize("kind", ["checkpoint", "weights", "safetensors-like text"])
@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_tensor_is_seen(tmp_path_factory, kind, place, bit):
    torch.manual_seed(0)
    state, path = network().state_dict(), tmp_path_factory.mktemp("x") / "x.ckpt"
    torch.save(whole(state) if kind == "checkpoint" else state, path)
    with zipfile.ZipFile(path) as archive:
        records = [entry for entry in archive.infolist() if "/data/" in entry.filename]
        at = [entry.header_offset + 30 + len(entry.filename) for entry in records]
        content = bytearray(path.read_bytes())
        extra = [
            int.from_bytes(content[entry.header_offset + 28 : entry.header_offset + 30], "little") for entry in records
        ]
        places = [
            begin + pad + i
            for begin, pad, entry in zip(at, extra, records, strict=True)
            for i in range(entry.file_size)
        ]
    content[places[int(place * len(places))]] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"found .*x\.ckpt.*damaged"):
        read_checkpoint(path, "option")


def test_a_tensor_that_was_exchanged_is_seen_although_the_file_is_whole():
    state = network().state_dict()
    content = whole(state, **{DIGEST: digest_of(state)})
    torch.save(content, "x.ckpt")
    found = read_whole_checkpoint("x.ckpt", "option")
    assert all(torch.equal(found["state_dict"][name], tensor) for name, tensor in state.items())
    state["0.weight"].view(-1)[3] += 1e-7
    torch.save(content, "x.ckpt")
    for read in READERS:
        with pytest.raises(ValueError, match="its tensors are not those that were written: damaged, or changed since"):
            read("x.ckpt", "option")


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int8, torch.bool, torch.complex64]
)
def test_the_digest_knows_names_types_shapes_and_values_and_not_their_order_or_place(dtype):
    state = {"a": torch.tensor([[1, 0], [1, 1]]).to(dtype), "b": torch.tensor(1).to(dtype), "c": torch.zeros(0)}
    digest = digest_of(state)
    assert digest == digest_of(dict(reversed(state.items())))
    assert digest == digest_of({**state, "a": state["a"].T.contiguous().T})
    others = [
        {**state, "a": state["a"].T}, {**state, "a": state["a"].view(-1)}, {**state, "b": state["b"][None]},
        {"a": state["a"], "d": state["b"], "c": state["c"]}, {**state, "c": torch.zeros(0, 1)},
        {**state, "c": torch.zeros(0, dtype=torch.int8)}, {"a": state["a"]},
    ]  # fmt: skip
    assert len({digest, *map(digest_of, others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"state_dict": {}, "epoch": 1}, "it holds no version of Lightning, as weights alone do not"),
        ({"state_dict": {"a": torch.zeros(1)}}, "it holds no version"),
        ({"a": torch.zeros(1)}, "it holds weights alone"),
        (
            {"state_dict": {}, "pytorch-lightning_version": "0.1"},
            "Lightning 0.1 wrote it, which is too old; 2.0 is the",
        ),
        ({"state_dict": {}, "pytorch-lightning_version": "1.9.5"}, "Lightning 1.9.5 wrote it"),
        ({"state_dict": {}, "pytorch-lightning_version": "new"}, "Lightning new wrote it"),
        ({"state_dict": {}, "pytorch-lightning_version": 3.5}, None),
        ({"state_dict": {"a": 3}, "pytorch-lightning_version": "2.6"}, "no tensors by name"),
        ({"state_dict": [], "pytorch-lightning_version": "2.6"}, "no tensors by name"),
        ([torch.zeros(1)], "it is no checkpoint"),
        (torch.zeros(1), "it is no checkpoint"),
    ],
)
def test_what_is_no_whole_checkpoint_of_today_is_said_in_one_sentence(content, why):
    torch.save(content, "x.ckpt")
    if why is None:
        assert read_whole_checkpoint("x.ckpt", "ckpt_path") == content
        return
    with pytest.raises(
        ValueError, match=r"^`ckpt_path` must be a whole checkpoint that .*`model.classifier_checkpoint`\.$"
    ) as refused:
        read_whole_checkpoint("x.ckpt", "ckpt_path")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


GOING_ON = {
    "state_dict": {}, "pytorch-lightning_version": "2.6.0", "epoch": 1, "global_step": 8,
    "loops": {"fit_loop": {"state_dict": {}}}, "callbacks": {"Kept": {}}, "optimizer_states": [{"param_groups": []}],
    "lr_schedulers": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("loops", 3, "its loops are damaged"),
        ("loops", {}, "how far its fit had come"),
        ("loops", {"fit_loop": None}, "how far its fit had come"),
        ("callbacks", [1], "its callbacks are damaged"),
        ("callbacks", {"Kept": "x"}, "its callbacks are damaged"),
        ("optimizer_states", [{}], "its optimizer_states are damaged"),
        ("optimizer_states", {}, "its optimizer_states are damaged"),
        ("epoch", "x", "its epoch is 'x'"),
        ("global_step", None, "its global_step is None"),
        ("pytorch-lightning_version", "two", "Lightning two wrote it"),
    ],
)
def test_what_a_fit_cannot_go_on_from_is_said_in_one_sentence(key, value, why):
    torch.save(GOING_ON, "x.ckpt")
    assert read_whole_checkpoint("x.ckpt", "ckpt_path", to_resume=True) == GOING_ON
    torch.save(GOING_ON | {key: value}, "x.ckpt")
    with pytest.raises(ValueError, match=r"^`ckpt_path` must be a whole checkpoint that ") as refused:
        read_whole_checkpoint("x.ckpt", "ckpt_path", to_resume=True)
    assert why in str(refused.value)


def named(change, **more):
    return lambda state: {change(name): tensor for name, tensor in state.items()} | more


SAVED = {
    "as it is": named(lambda name: name),
    "DataParallel": named(lambda name: f"module.{name}"),
    "compiled": named(lambda name: f"_orig_mod.{name}"),
    "compiled in DDP": named(lambda name: f"module._orig_mod.{name}"),
    "DDP, compiled": named(lambda name: f"_orig_mod.module.{name}"),
    "a part compiled": named(lambda name: name.replace("0.", "0._orig_mod.")),
    "no counters": lambda state: {name: tensor for name, tensor in state.items() if "num_batches" not in name},
    "in a model": named(lambda name: f"classifier.{name}", **{"frontend.learned": torch.tensor(1)}),
    "in a model in DDP": named(lambda name: f"module.classifier.{name}"),
    "a part in DataParallel": named(lambda name: name.replace("0.", "0.module.", 1)),
    "averaged": named(lambda name: f"module.{name}", n_averaged=torch.tensor(4)),
    "averaged, compiled": named(lambda name: f"_orig_mod.module.{name}", n_averaged=torch.tensor(4)),
    "in FSDP": named(lambda name: f"_fsdp_wrapped_module.{name}".replace("0.", "0._fsdp_wrapped_module.")),
    "in a training module": named(lambda name: f"model.{name}"),
    "in two": named(lambda name: f"net.model.{name}"),
    "in a training module in DDP": named(lambda name: f"module.model.{name}"),
    "in DDP in a training module": named(lambda name: f"model.module.{name}"),
    "compiled in a training module": named(lambda name: f"model._orig_mod.{name}"),
    "compiled in a model": named(lambda name: f"classifier._orig_mod.{name}", **{"x.y": torch.zeros(1)}),
}


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("around", ["nothing", "state_dict", "model_state_dict", "model", "net", "safetensors"])
def test_weights_are_understood_whatever_they_were_saved_through(saved, around):
    state = network().state_dict()
    content = SAVED[saved](state)
    if around == "safetensors":
        save_file(content, "x.safetensors")
    else:
        torch.save(content if around == "nothing" else {around: content, "epoch": 3, "best": 0.9}, "x.pt")
    found = read_weights("x.safetensors" if around == "safetensors" else "x.pt", "option")
    again = network()
    again.load_state_dict(unwrapped(found, again.state_dict(), ("classifier", "")))
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in state.items())


def test_a_module_that_wraps_one_network_takes_that_networks_own_weights():
    class Normalised(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = network()

    state, own = network().state_dict(), Normalised().state_dict()
    for saved in SAVED:
        found = unwrapped(SAVED[saved](state), own, ("classifier", ""))
        assert all(torch.equal(found[f"model.{name}"], state[name]) for name in state if "batches" not in name)
        assert found.keys() == own.keys()


def test_a_network_whose_own_names_look_like_wrappers_keeps_them():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = network()

    own = Outer().state_dict()
    assert unwrapped(own, own).keys() == own.keys()
    assert unwrapped(SAVED["DataParallel"](own), own).keys() == own.keys()
    assert unwrapped(SAVED["compiled in a model"](own), own, ("classifier", "")).keys() == own.keys()
    assert bare(SAVED["compiled in DDP"](network().state_dict())).keys() == network().state_dict().keys()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (lambda: torch.eye(3).to_sparse(), "its tensor a is sparse or quantized; save it dense"),
        (lambda: torch.eye(3).to_sparse_csr(), "its tensor a is sparse or quantized; save it dense"),
        (lambda: torch.empty(3, device="meta"), "its tensor a is on the device meta, without values"),
    ],
    ids=["coo", "csr", "meta"],
)
@pytest.mark.filterwarnings("ignore:.*Sparse")
def test_tensors_that_no_layer_takes_are_named(read, tensor, why):
    torch.save(whole({"a": tensor()}), "x.ckpt")
    with pytest.raises(ValueError, match=r"^`classifier_checkpoint` must") as refused:
        read("x.ckpt", "classifier_checkpoint")
    assert why in str(refused.value)


@pytest.mark.parametrize("read", [read_weights, read_checkpoint])
def test_a_pickled_network_is_told_to_save_its_weights(read):
    torch.save(network(), "net.pt")
    with pytest.raises(
        ValueError, match=r"^`classifier_checkpoint` must .* found .*net\.pt.*\.state_dict\(\), path\)`\.$"
    ):
        read("net.pt", "classifier_checkpoint")


EXTRA = {
    "numbers and words": {"scale": 1.5, "seen": 3, "name": "x", "none": None},
    "nested": OrderedDict(a=[1, (2.0, True)], b={"t": torch.ones(2)}),
    "a number": 3,
    "a tensor": torch.arange(3),
    "none": None,
}


class KeepsMore(torch.nn.Linear):
    kept = None

    def get_extra_state(self):
        return self.kept

    def set_extra_state(self, state):
        self.kept = state


@pytest.mark.parametrize("kind", EXTRA)
@pytest.mark.parametrize("inner", [True, False])
def test_what_a_module_keeps_besides_tensors_is_written_and_read(kind, inner):
    def module():
        return torch.nn.Sequential(KeepsMore(2, 2)) if inner else KeepsMore(2, 2)

    model, other = module(), module()
    part = model[0] if inner else model
    part.kept = EXTRA[kind]
    state = model.state_dict()
    write_checkpoint(whole(state), Path("x.ckpt"))
    for read in READERS[:2]:
        found = read("x.ckpt", "option")
        assert found.keys() == state.keys()
    explain_mismatch(other, found, "this", "that")
    load_weights(other, "x.ckpt")
    assert repr((other[0] if inner else other).kept) == repr(EXTRA[kind])
    found = read_whole_checkpoint("x.ckpt", "option")
    assert found[DIGEST] == digest_of(state)
    (name,) = [name for name in state if name.endswith("_extra_state")]
    torch.save({**found, "state_dict": {**state, name: "another"}}, "x.ckpt")
    with pytest.raises(ValueError, match="its tensors are not those that were written"):
        read_checkpoint("x.ckpt", "option")


def test_what_is_kept_besides_tensors_needs_its_name():
    torch.save({"a": torch.zeros(1), "b": {"extra": 1}}, "x.ckpt")
    with pytest.raises(ValueError, match="no tensors by name"):
        read_weights("x.ckpt", "option")


@pytest.mark.parametrize("change", [{"a": 2}, {"b": [1, 2]}, {"a": 1.0}, {"c": torch.ones(1)}, {"b": (1,)}])
def test_the_digest_knows_what_a_module_keeps_besides(change):
    kept = {"a": 1, "b": [1], "c": torch.zeros(1), "d": {"x", "y", "z"}}
    same = dict(reversed([*kept.items(), ("d", {"z", "y", "x"})]))
    assert digest_of({"n._extra_state": kept}) == digest_of({"n._extra_state": same})
    assert digest_of({"n._extra_state": kept}) != digest_of({"n._extra_state": {**kept, **change}})


@pytest.mark.filterwarnings("ignore:.*[Ss]parse.*:UserWarning", "ignore:.*quantiz.*", "ignore:TypedStorage")
@pytest.mark.parametrize(
    "make",
    [
        lambda scale: (scale * torch.eye(3)).to_sparse(),
        lambda scale: (scale * torch.eye(3)).to_sparse_csr(),
        lambda scale: torch.full((3,), scale).to(torch.float8_e4m3fn),
        lambda scale: torch.quantize_per_tensor(torch.full((3,), scale), 0.1, 0, torch.quint8),
    ],
    ids=["sparse", "by rows", "float8", "quantised"],
)
def test_a_buffer_of_any_kind_is_written_and_digested(make):
    state = {"a": make(1.0)}
    write_checkpoint(whole(state), Path("x.ckpt"))
    found = read_whole_checkpoint("x.ckpt", "option")
    assert (
        found[DIGEST]
        == digest_of(read_checkpoint("x.ckpt", "option"))
        == digest_of(state)
        != digest_of({"a": make(2.0)})
    )
