"""What was made for another model and does nothing to it says nothing of the model that it meets."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparsefront.attacks import FGSM, PGD, GrayBox, NamedAttack, Transfer
from sparsefront.attacks.saved_images import SavedImages
from sparsefront.report.sentences import cautions
from sparsefront.results.run import Run
from tests.helpers.linear_rig import EPS, Linear, defended, margins, rows, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
RIGHT = int((margins() > 0).sum())
STRONG, IDLE = NamedAttack("strong", FGSM(eps=EPS)), NamedAttack("idle", FGSM(eps=1e-6))


def findings(trainer):
    about = json.loads(Path(trainer.log_dir, "results/val_attacks.json").read_text())
    return [finding for finding in about["diagnostics"] if finding["flag"] == "transfer_idle"]


def saved(first, name):
    return NamedAttack(f"saved_{name}", SavedImages(f"{first.log_dir}/results/val_adversarial/{name}"))


@pytest.mark.parametrize("cascade", [False, True])
def test_saved_images_that_did_nothing_to_their_model_get_a_caution(tmp_path, cascade):
    first = run(tmp_path / "a", "validate", [IDLE, STRONG], save_images=True, cascade=cascade)
    again = run(tmp_path / "b", "validate", [saved(first, "idle"), saved(first, "strong")])
    idle, strong = findings(again)
    assert (idle["raised"], strong["raised"]) == (True, False)
    assert idle["sentence"] == (
        f"saved_idle fools 0 of {RIGHT} samples of Identity + Linear, which its images were made for: its row says "
        "nothing of this system."
    )
    fell = RIGHT - int((margins() > EPS).sum())
    assert strong["sentence"].startswith(f"saved_strong fools {fell} of {RIGHT} samples of Identity + Linear, which")
    assert f"Identity + Linear, transfer: {idle['sentence']}" in cautions([Run.load(again.log_dir)])


def test_of_saved_images_without_their_evaluation_nothing_is_said(tmp_path):
    first = run(tmp_path / "a", "validate", [IDLE], save_images=True)
    Path(first.log_dir, "results/val_samples.csv").unlink()
    assert findings(run(tmp_path / "b", "validate", [saved(first, "idle")])) == []


class Opposite(Linear):
    """Errs where the other is right, and is right on the three samples that the other errs on."""

    def forward(self, images):
        return super().forward(images).flip(1)


@pytest.fixture
def transfer(monkeypatch, tmp_path):
    """A view of another model, of the same weights as `defended()`."""
    monkeypatch.setattr(Transfer, "_surrogate", lambda view, kind, path: defended().eval())
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    return Transfer(str(tmp_path / "other.ckpt"))


def test_attacks_on_another_model_that_did_nothing_to_it_get_a_caution(tmp_path, transfer):
    trainer = run(tmp_path, "validate", [replace(IDLE, view=transfer), replace(STRONG, view=transfer)])
    idle, strong = findings(trainer)
    assert (idle["raised"], strong["raised"]) == (True, False)
    assert idle["sentence"].startswith(
        f"idle fools 0 of {RIGHT} samples of the other model, which its images were made for: "
    )
    shown = [row["strong/source"] for row in rows(trainer, "val")]
    assert shown == [("1" if margin < EPS else "0") if margin > 0 else "" for margin in margins().tolist()]


def test_a_gray_box_that_did_nothing_to_the_classifier_alone_gets_a_caution(tmp_path):
    trainer = run(tmp_path, "validate", [replace(IDLE, view=GrayBox()), replace(STRONG, view=GrayBox())])
    idle, strong = findings(trainer)
    assert (idle["raised"], strong["raised"]) == (True, False)
    assert idle["adversary"] == "gray box"
    assert f"idle fools 0 of {RIGHT} samples of the classifier alone, which its images" in idle["sentence"]


def test_where_the_other_model_errs_it_is_not_asked_whether_it_is_fooled(tmp_path, transfer):
    found = rows(run(tmp_path, "validate", [replace(STRONG, view=transfer)], defended(Opposite)), "val")
    assert {row["strong/source"] for row in found} == {""}  # right on other samples than the one attacked


def test_what_its_maker_is_asked_is_not_counted_and_nothing_is_asked_without_samples(tmp_path, transfer):
    every = NamedAttack("all", PGD(eps=1 / 3), chain="c")
    attacks = [every, replace(STRONG, view=transfer, chain="c")]
    trainer = run(tmp_path, "validate", attacks)
    about = json.loads(Path(trainer.log_dir, "results/val_attacks.json").read_text())
    assert {row["strong/source"] for row in rows(trainer, "val")} == {""}
    assert about["attacks"][1]["forwards"] == 0
    assert findings(trainer) == []
    alone = run(tmp_path / "alone", "validate", [replace(STRONG, view=transfer)])
    about = json.loads(Path(alone.log_dir, "results/val_attacks.json").read_text())
    assert about["attacks"][0]["forwards"] == RIGHT
