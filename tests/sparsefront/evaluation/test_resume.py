"""An evaluation that was interrupted goes on where it stopped."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from sparsefront.attacks import PGD, Attack, NamedAttack
from sparsefront.attacks.saved_images import SavedImages
from sparsefront.evaluation.fingerprint import fingerprint
from sparsefront.frontends import FrontEnd, TopT
from tests.helpers import linear_rig
from tests.helpers.linear_rig import EPS, SHAPE, Samples21, defended, rows, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@dataclass(frozen=True)
class Pulled(Attack):
    """PGD with a plug that can be pulled: at which sample, and which it met, is kept outside of its settings."""

    plugs: ClassVar[dict] = {}

    eps: float = EPS
    plug: str = "plug"

    def perturb(self, model, images, labels, indices):
        met, at = self.plugs[self.plug]
        if set(at) & set(indices.tolist()):
            raise KeyboardInterrupt
        met.extend(indices.tolist())
        return PGD(eps=self.eps, steps=5)(model, images, labels, indices)


def named(*at, eps=EPS):
    """The attack, which is interrupted at some samples, if any; and the list of those that it will meet."""
    met = []
    Pulled.plugs["plug"] = met, at
    return NamedAttack("pulled", Pulled(eps)), met


def interrupted(tmp_path, at=113, model=None, **settings):
    attack, met = named(at)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(tmp_path, "validate", [attack], model, **settings)
    return met


def resumed(tmp_path, model=None, **settings):
    return run(tmp_path, "validate", [named()[0]], model, resume_from=str(tmp_path), **settings)


def test_finished_samples_are_taken_over_and_the_rest_is_attacked(tmp_path):
    before = interrupted(tmp_path)
    attack, met = named()
    again = run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    whole = run(tmp_path / "whole", "validate", [named()[0]])
    assert rows(again, "val") == rows(whole, "val")
    assert not set(before) & set(met)
    assert len(before) > 5
    assert not Path(again.log_dir, "results/val_partial").exists()


def about(trainer):
    return json.loads(Path(trainer.log_dir, "results/val_attacks.json").read_text())


def test_signs_that_samples_showed_are_taken_over(tmp_path):
    asked = NamedAttack("asked", PGD(eps=EPS, steps=5), where=("loss_does_not_rise",))
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(tmp_path, "validate", [asked, named(113)[0]])
    again = rows(run(tmp_path, "validate", [asked, named()[0]], resume_from=str(tmp_path)), "val")
    assert [row["sign:loss_does_not_rise"] for row in again] == [
        "" if row["clean_pred"] != row["label"] else "0" for row in again
    ]
    assert again == rows(run(tmp_path / "whole", "validate", [asked, named()[0]]), "val")


def test_costs_are_those_of_both_runs_and_all_samples_may_be_probed(tmp_path):
    interrupted(tmp_path, at=120)  # alone in the last batch
    again = about(resumed(tmp_path, diagnostics=18))
    whole = about(run(tmp_path / "whole", "validate", [named()[0]], diagnostics=18))
    for key in ("attacked", "forwards", "backwards"):
        assert again["attacks"][0][key] == whole["attacks"][0][key] > 0
    assert again["diagnostics"] == whole["diagnostics"]
    assert "not_probed" not in {sign["flag"] for sign in again["diagnostics"]}


def test_saved_images_are_taken_over_too(tmp_path):
    interrupted(tmp_path, save_images=True)
    again = resumed(tmp_path, save_images=True)
    saved = SavedImages(f"{again.log_dir}/results/val_adversarial/pulled")
    scored = run(tmp_path / "scored", "validate", [NamedAttack("saved", saved)])
    assert [row["saved/pred"] for row in rows(scored, "val")] == [row["pulled/pred"] for row in rows(again, "val")]


class Gain(FrontEnd):
    def __init__(self, shape, gain):
        super().__init__(shape)
        self.gain = gain

    def forward(self, images):
        return self.gain * (images - 0.5) + 0.5


def test_rows_of_a_front_end_of_another_setting_are_refused(tmp_path):
    interrupted(tmp_path, model=defended(frontend=lambda shape: Gain(shape, 1.0)))
    with pytest.raises(ValueError, match="found other model in"):
        resumed(tmp_path, defended(frontend=lambda shape: Gain(shape, -1.0)))
    resumed(tmp_path, defended(frontend=lambda shape: Gain(shape, 1.0)))


def test_a_fingerprint_holds_settings_shapes_and_files(tmp_path):
    def model(**settings):
        settings = {"n_atoms": 20, "patch_size": 2, "decoder": "identity", "dictionary": "dct", "top_t": 3} | settings
        return defended(frontend=lambda shape: TopT(shape, **settings))

    same = fingerprint(model(), [])["model"]
    assert fingerprint(model(), [])["model"] == same
    assert fingerprint(model(top_t=10), [])["model"] != same
    used = model()
    used.frontend(torch.rand(2, *SHAPE))
    assert fingerprint(used, [])["model"] == same
    assert fingerprint(model().half(), [])["model"] != same

    file = tmp_path / "other.ckpt"
    entry = {"name": "t", "attack": {}, "target": "", "view": {"init_args": {"view": {"checkpoint": [str(file)]}}}}
    file.write_text("one")
    first = fingerprint(model(), [entry])["files"]
    file.write_text("two")
    assert fingerprint(model(), [entry])["files"] != first


def test_rows_of_another_search_precision_are_refused(tmp_path):
    interrupted(tmp_path)
    with pytest.raises(ValueError, match="found other search_precision in"):
        resumed(tmp_path, precision="bf16")


@pytest.mark.parametrize("part", ["images", "labels"])
def test_rows_of_other_data_are_refused(tmp_path, monkeypatch, part):
    interrupted(tmp_path)

    class Other(Samples21):
        def __init__(self):
            super().__init__()
            setattr(self, part, 1 - getattr(self, part))

    monkeypatch.setattr(linear_rig, "Samples21", Other)
    with pytest.raises(ValueError, match="the same data, found another image or label under sample 100;"):
        resumed(tmp_path)


def test_an_interruption_of_the_resumed_run_loses_nothing_either(tmp_path):
    first = interrupted(tmp_path, 106)
    again = interrupted(tmp_path, 117, resume_from=str(tmp_path))
    attack, last = named()
    run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    met = first + again + last
    assert len(met) == len(set(met)) == 18


def test_a_line_cut_off_in_writing_is_redone(tmp_path):
    interrupted(tmp_path)
    file = next(tmp_path.rglob("val_partial/rows.0.csv"))
    file.write_text(file.read_text().rstrip("\r\n")[:-3])
    assert rows(resumed(tmp_path), "val") == rows(run(tmp_path / "whole", "validate", [named()[0]]), "val")


def test_rows_of_another_model_or_other_attacks_are_refused(tmp_path):
    interrupted(tmp_path)
    other = defended()
    other.classifier.linear.bias.data += 1
    with pytest.raises(ValueError, match="same model and attacks, found other model in"):
        resumed(tmp_path, other)
    for attack in (NamedAttack("pgd", PGD(eps=EPS)), named(eps=EPS / 2)[0]):
        with pytest.raises(ValueError, match="found other attacks in"):
            run(tmp_path, "validate", [attack], resume_from=str(tmp_path / "lightning_logs"))
    with pytest.raises(ValueError, match="found other cascade in"):
        resumed(tmp_path, cascade=True)


def test_a_folder_without_an_interrupted_evaluation_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"interrupted evaluation \(results/val_partial\), found none in"):
        resumed(tmp_path)
    shutil.rmtree(tmp_path)
