"""Training that could only end in one answer is refused before it begins."""

import pytest
from pytorch_lightning import Trainer

from sparsefront import DefendedClassifier
from sparsefront.classifiers import ConvNet
from sparsefront.cli.command import main
from sparsefront.data import ImageFolder, MNIST5k
from sparsefront.data.settings import FileReading

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


def trainer():
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(max_epochs=1, accelerator="cpu", **quiet)


@pytest.mark.parametrize("number", [1, 0, -3])
def test_a_model_of_fewer_than_two_classes_is_refused(number):
    with pytest.raises(ValueError, match=rf"^`num_classes` must be at least 2, found {number}.*\.$"):
        DefendedClassifier(ConvNet, num_classes=number)


@pytest.mark.filterwarnings("ignore")
def test_a_folder_of_one_class_is_refused_before_training(make_tree, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    args = ["--data", "ImageFolder", "--data.root", make_tree({"": {"ant": 9}}), "--run_dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as refused:
        main(["fit", *args, "--model.classifier", "ConvNet", "--trainer.accelerator", "cpu"])
    assert refused.value.code == 2
    assert "`num_classes` must be at least 2, found 1" in capsys.readouterr().err


def few(make_tree):
    """Two folders, of which one leaves nothing to train on."""
    return ImageFolder(make_tree({"": {"ant": 8, "bee": 1}}), image_size=8, val_size=0, test_size=8, seed=3)


def listed(make_tree):
    return ImageFolder(make_tree({"": {"ant": 8}}), image_size=8, reading=FileReading(classes=["bee", "ant"]))


@pytest.mark.parametrize("make", [few, listed])
def test_training_images_of_one_class_are_refused_before_training(make_tree, make):
    data = make(make_tree)
    model = DefendedClassifier(ConvNet, image_shape=data.image_shape, num_classes=data.num_classes)
    with pytest.raises(
        ValueError, match=r"^`data` must have training images of two classes .* of 1 \((ant|bee)\) in tree;"
    ):
        trainer().fit(model, data)


@pytest.mark.parametrize("make", [few, listed])
def test_the_command_refuses_them_before_a_front_end_learns(make_tree, make):
    data = make(make_tree)
    data.source = None  # nothing is read
    with pytest.raises(
        ValueError, match=r"^`data` must have training images of two classes .* of 1 \((ant|bee)\) in tree;"
    ):
        data.check_before_fit()


def test_two_classes_of_ten_are_enough():
    data = MNIST5k(val_size=0, test_size=4990, batch_size=4)
    data.setup("fit")
    data.check_training_labels()
