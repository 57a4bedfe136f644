import pytest
import torch
from safetensors.torch import save_file

from sparsefront.classifiers import ResNet32, Timm

TINY = "test_resnet"


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_weights_come_back_from_a_file(tmp_path, suffix):
    model = ResNet32(3, 10)
    path = str(tmp_path / f"weights.{suffix}")
    state = {name: tensor for name, tensor in model.state_dict().items() if "num_batches" not in name}
    save_file(state, path) if suffix == "safetensors" else torch.save({"state_dict": state}, path)
    again = ResNet32(3, 10, checkpoint_path=path)
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(again.eval()(images), model.eval()(images))
    with pytest.raises(ValueError, match=r"linear.*this model's \(5"):
        ResNet32(3, 5, checkpoint_path=path)
    with pytest.raises(ValueError, match="must hold the weights of this"):
        Timm(3, 10, TINY, checkpoint_path=path)


def test_a_missing_file_of_weights_is_named():
    with pytest.raises(FileNotFoundError, match="`checkpoint_path` must name a file of weights"):
        ResNet32(3, 10, checkpoint_path="nowhere.pt")


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
@pytest.mark.parametrize("content", [b"", b"no weights"], ids=["empty", "garbage"])
def test_a_file_that_holds_no_tensors_is_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"`checkpoint_path` must name a file of tensors by name.*{name}"):
        ResNet32(3, 10, checkpoint_path=str(path))


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"state_dict": [1]}, {"model": torch.nn.Linear(1, 1)}])
def test_a_torch_file_of_something_else_is_named(tmp_path, content):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match="`checkpoint_path` must name a file of tensors by name"):
        ResNet32(3, 10, checkpoint_path=str(path))


def test_weights_of_another_head_or_another_network_say_what_to_change(tmp_path):
    path = str(tmp_path / "weights.safetensors")
    save_file(ResNet32(3, 10).state_dict(), path)
    with pytest.raises(ValueError, match="only sizes differ: set `num_classes` and `in_chans`"):
        ResNet32(3, 5, checkpoint_path=path)
    with pytest.raises(ValueError, match="names differ: choose the network"):
        Timm(3, 10, TINY, checkpoint_path=path)
