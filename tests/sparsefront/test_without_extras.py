"""The wheel where nothing is installed but what it needs without any extra."""

import csv
import json

import pytest
import torch
from torchvision.utils import save_image

from tests.helpers.environments import built_wheel, environment_with, run_from, with_core_libraries

pytestmark = pytest.mark.slow  # builds a wheel, for which pip fetches hatchling
OF_EXTRAS = ("matplotlib", "mlxtend", "wandb", "submitit", "foolbox", "pytest", "hypothesis", "skimage", "cv2", "spams")
FIT = [
    "fit", "--data", "ImageFolder", "--data.root", "pictures", "--data.image_size", "16", "--data.batch_size", "8",
    "--model.frontend", "TopT", "--model.frontend.patch_size", "4", "--model.frontend.n_atoms", "8",
    "--model.frontend.learning.n_iterations", "2", "--model.frontend.top_t", "2", "--model.classifier", "ConvNet",
    "--attacks+", "{name: pgd, attack: {class_path: PGD, init_args: {norm: Linf, eps: 0.1, steps: 2}}}",
    "--trainer.accelerator", "cpu", "--trainer.max_epochs", "1", "--run_dir", "runs/pictures",
]  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The `bin` folder of the environment."""
    home = tmp_path_factory.mktemp("core")
    return with_core_libraries(environment_with(home / "venv", built_wheel(home)), home / "libraries")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with pictures of two classes."""
    home = tmp_path_factory.mktemp("empty")
    for part in ("train", "val", "test"):
        for name in ("cat", "dog"):
            (home / "pictures" / part / name).mkdir(parents=True)
            for number in range(8):
                save_image(torch.rand(3, 16, 16), home / "pictures" / part / name / f"{number}.png")
    return home


def test_the_environment_lacks_what_the_extras_bring(installed, folder):
    code = f"import importlib.util, json; print(json.dumps([n for n in {OF_EXTRAS!r} if importlib.util.find_spec(n)]))"
    assert json.loads(run_from(installed, folder, "python", "-c", code).stdout) == []


def test_a_front_end_and_a_classifier_are_fitted_and_attacked_there_and_the_rest_names_its_extra(installed, folder):
    done = run_from(installed, folder, "sparsefront", *FIT)
    assert done.returncode == 0, done.stderr
    (samples,) = (folder / "runs/pictures").rglob("val_samples.csv")
    with samples.open() as file:
        assert {"clean_pred", "pgd/pred"} <= set(csv.DictReader(file).fieldnames)

    reported = run_from(installed, folder, "sparsefront-report", "runs/pictures")
    assert reported.returncode == 1
    assert reported.stderr == (
        "sparsefront-report: a report must have the package matplotlib installed, found none; install it with "
        "`pip install 'sparsefront[report]'`.\n"
    )


STUDY = ("sparsefront-study", "studies/mnist5k.yaml")
SWEEP = ("sparsefront-sweep", "--setting", "model.frontend.bits", "--values", "1")
DIGITS = ("sparsefront", "fit", "--config", "experiments/mnist5k_top_t.yaml")
WANDB = ("sparsefront", *FIT, "--config", "logging/wandb_offline.yaml")


@pytest.mark.parametrize(("words", "extra"), [(STUDY, "report"), (SWEEP, "report"), (DIGITS, "demo"), (WANDB, "wandb")])
def test_what_needs_an_extra_says_its_name_in_one_sentence(installed, folder, words, extra):
    done = run_from(installed, folder, *words)
    assert done.returncode == 2, done.stderr
    assert f"pip install 'sparsefront[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
