"""Folders that are some of a trained network's classes get its numbers."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from pytorch_lightning import Trainer
from timm.data import ImageNetInfo

from sparsefront import DefendedClassifier
from sparsefront.classifiers import Timm
from sparsefront.cli.command import main
from sparsefront.data import ImageFolder
from sparsefront.data.files.class_list import ClassList
from sparsefront.data.settings import FileReading

SYNSETS = ImageNetInfo().label_names()


def test_wordnet_numbers_and_names_are_numbered_as_imagenets_outputs_are():
    listing = ClassList("imagenet")
    assert len(listing) == 1000
    assert listing.names == SYNSETS
    for folders in (["n01440764", "n15075141"], ["tench", "toilet_tissue"], ["Tinca tinca", "BATHROOM TISSUE"]):
        assert listing.numbers(folders, "root") == [0, 999]
    assert listing.numbers(SYNSETS[::-1], "root") == list(range(1000))[::-1]


@pytest.mark.parametrize(
    "text",
    [
        "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\nn01484850 great white shark\n",
        "n01440764\nn01443537\nn01484850",
        "tench\ngoldfish\n\ngreat white shark\n",
        "\ufefftench\r\ngoldfish\r\ngreat_white_shark\r\n",
    ],
)
def test_a_file_of_names_gives_their_order(tmp_path, text):
    path = tmp_path / "names.txt"
    path.write_text(text, encoding="utf-8")
    listing = ClassList(str(path))
    first = "n01443537" if "n014" in text else "goldfish"
    last = "n01484850" if "n014" in text else "great white shark"
    assert listing.numbers([last, first], "root") == [2, 1]


def test_labels_and_names_are_the_networks_and_parts_hold_all_folders(make_tree):
    root = make_tree({"train": {"bee": 6, "ant": 6}, "test": {"bee": 3, "ant": 3}})
    data = ImageFolder(root, reading=FileReading(classes=["cow", "bee", "dog", "ant", "eel"]), val_size=4)
    assert (data.num_classes, data.class_names) == (5, ("cow", "bee", "dog", "ant", "eel"))
    data.setup(None)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        labels = torch.cat([batch.label for batch in loader])
        assert labels.bincount(minlength=5).tolist() == [0, len(labels) // 2, 0, len(labels) // 2, 0]


def test_the_first_evaluation_batches_hold_all_classes_in_any_order_of_a_list(make_tree):
    root = make_tree({"train": {"ant": 2, "bee": 2}, "val": {"ant": 40, "bee": 40}})
    data = ImageFolder(root, reading=FileReading(classes=["bee", "ant"]), batch_size=32)
    data.setup("validate")
    assert 8 < next(iter(data.val_dataloader())).label.sum() < 24


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (
            ["n01440764", "tenhc"],
            r"found 1 of 2 that are none of the 1,000 of ImageNet, the first is 'tenhc', near it .*tench",
        ),
        (["n01440764", "crane"], r"found 'crane', which is a name of n\d+ and n\d+; call"),
        (["n01440764", "tench"], r"one folder a class, found 'n01440764' and 'tench' in '.*', both n01440764; join"),
    ],
)
def test_folders_that_are_no_single_class_of_the_list_are_refused(make_tree, folders, message):
    with pytest.raises(ValueError, match=message):
        ImageFolder(make_tree({"": dict.fromkeys(folders, 2)}), reading=FileReading(classes="imagenet"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"one\n", b""])
def test_a_file_that_is_no_list_is_refused(make_tree, tmp_path, content):
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^`classes` must .*names.txt.*; name .*\.$"):
        ImageFolder(make_tree({"": {"ant": 2, "bee": 2}}), reading=FileReading(classes=str(path)))


def test_a_named_pipe_is_no_list_and_not_waited_for(make_tree, tmp_path):
    os.mkfifo(tmp_path / "names.txt")
    with pytest.raises(ValueError, match=r"^`classes` must .*names.txt' \(no ordinary file\); name .*\.$"):
        ImageFolder(make_tree({"": {"ant": 2, "bee": 2}}), reading=FileReading(classes=str(tmp_path / "names.txt")))


@pytest.fixture
def network(tmp_path):
    """A small network of 1,000 classes and its file."""
    torch.manual_seed(1)
    net = timm.create_model("mobilenetv3_small_050").eval()
    with torch.no_grad():
        net.classifier.weight.normal_()
        net.classifier.bias.zero_()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    return net, str(tmp_path / "net.pt")


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_twenty_folders_of_imagenet_are_tested_on_a_network_of_a_thousand_classes(network, tmp_path):
    net, path = network
    config = net.pretrained_cfg
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    pixels = np.random.default_rng(0).integers(0, 256, (20, 1, 1, 3), dtype=np.uint8).repeat(32, 1).repeat(32, 2)
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        answers = net(inputs).argmax(dim=1).tolist()
    assert len(set(answers)) > 2
    for number, answer in enumerate(answers):  # each picture where the network sees it, but for the first
        folder = tmp_path / "images" / SYNSETS[answer if number else (answer + 1) % 1000]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[number]).save(folder / f"{number}.png")
    data = ImageFolder(str(tmp_path / "images"), reading=FileReading(classes="imagenet"), test_size=1.0, val_size=0)
    build = partial(Timm, model_name="mobilenetv3_small_050", checkpoint_path=path)
    model = DefendedClassifier(build, image_shape=data.image_shape, num_classes=data.num_classes)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    found = Trainer(accelerator="cpu", **quiet).test(model, data, verbose=False)
    assert found[0]["test/clean_acc"] == pytest.approx(19 / 20)


@pytest.mark.parametrize("also", [[], ["--model.num_classes", "1000"], ["--data.num_classes", "1000"]])
@pytest.mark.filterwarnings("ignore")
def test_each_message_on_the_way_names_the_setting(network, make_tree, tmp_path, capsys, also, monkeypatch):
    root = make_tree({"": {"n01440764": 2, "n01443537": 2}}, size=(32, 32))
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    args = [
        "--data",
        "ImageFolder",
        "--data.root",
        root,
        "--run_dir",
        str(tmp_path / "run"),
        "--model.classifier",
        "Timm",
    ]
    args += ["--model.classifier.model_name", "mobilenetv3_small_050", "--model.classifier.checkpoint_path", network[1]]
    with pytest.raises(SystemExit) as refused:
        main(["test", *args, "--trainer.accelerator", "cpu", *also])
    assert refused.value.code == 2
    said = capsys.readouterr().err
    assert "reading.classes" in said
    assert not Path(root, "run").exists()
