"""A training with attacks, pictures and all results in every precision that a trainer has on a CPU."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from sparsefront import DefendedClassifier, RobustEvaluation
from sparsefront.analysis import Representations
from sparsefront.attacks import (
    FAB,
    FGSM,
    FMN,
    PGD,
    ZOO,
    Boundary,
    DeepFool,
    FittedModel,
    FittedSurrogate,
    HopSkipJump,
    NamedAttack,
    Neighbourhood,
    OppositeGradient,
    RescaledLogits,
    SavedImages,
    Square,
    Transfer,
    UniversalPerturbation,
)
from sparsefront.classifiers import ConvNet
from sparsefront.data import MNIST5k
from sparsefront.evaluation.kept_pictures import KeptPictures
from sparsefront.frontends import GaussianBlur
from tests.helpers.precision import in_single_precision

pytestmark = [pytest.mark.filterwarnings("ignore"), in_single_precision("the tests set the precision themselves")]


def attacks():
    fewer = {"n_fitting_images": 20}
    return [
        NamedAttack("pgd", PGD(eps=0.1, steps=2)),
        NamedAttack("universal", UniversalPerturbation(eps=0.2, epochs=1, n_target_classes=1, n_fitting_images=400)),
        NamedAttack("fool", DeepFool(steps=3, eps=3.0)),
        NamedAttack("fmn", FMN(steps=3)),
        NamedAttack("fab", FAB(steps=2, n_target_classes=1)),
        NamedAttack("square", Square(eps=0.1, n_queries=5)),
        NamedAttack("zoo", ZOO(steps=2, n_coordinates=4)),
        NamedAttack("boundary", Boundary(steps=5, **fewer)),
        NamedAttack("hop", HopSkipJump(steps=2, n_directions=5, **fewer)),
        NamedAttack("fitted", PGD(eps=0.1, steps=2), FittedSurrogate(steps=2, width=2, n_fitting_images=20)),
        NamedAttack("model", PGD(eps=0.1, steps=2), FittedModel(steps=2, width=2, n_fitting_images=20)),
        NamedAttack("rescaled", PGD(eps=0.1, steps=2), RescaledLogits(OppositeGradient())),
    ]


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true", "bf16-mixed"])
def test_attacks_pictures_and_diagnostics_run_to_their_end(tmp_path, precision):
    evaluation = RobustEvaluation(attacks(), max_samples=8, pictures=KeptPictures(2, save_images=True), diagnostics=3)
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", precision=precision, logger=pl.loggers.CSVLogger(tmp_path, name=""),
        callbacks=[evaluation, Representations(attacks()[:2], max_samples=8, n_training=2)], limit_train_batches=40,
        limit_val_batches=1, limit_test_batches=1, num_sanity_val_steps=0, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, inference_mode=False,
    )  # fmt: skip
    model = DefendedClassifier(
        partial(ConvNet, width=4, hidden=32),  # half precision is slow on a CPU
        lambda shape: GaussianBlur(shape, sigma=0.5),
        optimizer=lambda some: torch.optim.SGD(some, lr=0.05, momentum=0.9),
    )
    data = MNIST5k(batch_size=16, val_size=16, test_size=4584)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    results = Path(trainer.log_dir) / "results"
    for stage in ("val", "test"):
        about = json.loads((results / f"{stage}_attacks.json").read_text())
        assert {entry["name"]: entry["error"] for entry in about["attacks"]} == dict.fromkeys(
            one.name for one in attacks()
        )
        with np.load(results / f"{stage}_images.npz") as pictures:
            assert all(np.isfinite(pictures[name]).all() for name in pictures.files)
        assert len((results / f"{stage}_samples.csv").read_text().splitlines()) == 9
    assert [one["sentence"] for one in about["diagnostics"] if one["flag"] == "probe_failed"] == []
    assert len(list((results / "test_adversarial").glob("*/*.npz"))) == len(attacks())
    assert (results / "test_representations.npz").is_file()
    if precision.endswith("-true"):
        wanted = {"bf16-true": torch.bfloat16, "16-true": torch.float16, "64-true": torch.float64}[precision]
        assert next(model.parameters()).dtype == wanted


def trained(folder, evaluation, model, precision="64-true"):
    """A tiny run; its results and checkpoint."""
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", precision=precision, logger=pl.loggers.CSVLogger(folder, name=""),
        callbacks=[evaluation], limit_train_batches=2, limit_val_batches=0, limit_test_batches=1,
        num_sanity_val_steps=0, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    data = MNIST5k(batch_size=16, val_size=16, test_size=4584)
    trainer.fit(model, data)
    trainer.test(model, data, verbose=False)
    trainer.save_checkpoint(folder / "x.ckpt")
    return Path(trainer.log_dir) / "results"


def deployed():
    return DefendedClassifier(ConvNet, optimizer=lambda some: torch.optim.SGD(some, lr=0.05))


def loaded(path, **_):
    """As Lightning loads what the command line wrote: in single precision, whatever the file's is."""
    model = DefendedClassifier(ConvNet, image_shape=(1, 28, 28), num_classes=10)
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    return model


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_surrogates_and_saved_images_are_met_in_every_precision(tmp_path, precision, monkeypatch):
    monkeypatch.setattr(DefendedClassifier, "load_from_checkpoint", loaded)
    other = NamedAttack("fgsm", FGSM(eps=0.1))
    made = {}
    for kind in (precision, "32"):
        evaluation = RobustEvaluation([other], max_samples=4, pictures=KeptPictures(save_images=True))
        made[kind] = trained(tmp_path / kind, evaluation, deployed(), precision=kind)
    paths = [str(tmp_path / kind / "x.ckpt") for kind in made]
    met = [NamedAttack("saved", SavedImages(str(made[precision] / "test_adversarial/fgsm")))]
    met += [NamedAttack(f"transfer_{i}", PGD(eps=0.1, steps=2), Transfer(one)) for i, one in enumerate([*paths, paths])]
    met += [
        NamedAttack("around", FGSM(eps=0.1), Neighbourhood(Transfer(paths[1]), n_samples=2)),
        NamedAttack("answers", Square(eps=0.1, n_queries=3, early_stop=False), Transfer(paths[1])),
    ]
    results = trained(tmp_path / "met", RobustEvaluation(met, max_samples=4), deployed(), precision=precision)
    about = json.loads((results / "test_attacks.json").read_text())
    assert {entry["name"]: entry["error"] for entry in about["attacks"]} == dict.fromkeys(one.name for one in met)
