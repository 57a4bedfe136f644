"""An evaluation that was interrupted goes on where it stopped."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from linear_rig import EPS, defended, rows, run

from attacks import PGD, Attack, NamedAttack

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@dataclass(frozen=True)
class Pulled(Attack):
    """PGD that is interrupted at one sample, if that is given."""

    met: list
    at: list

    def perturb(self, model, images, labels, indices):
        if set(self.at) & set(indices.tolist()):
            raise KeyboardInterrupt
        self.met.extend(indices.tolist())
        return PGD(eps=EPS, steps=5)(model, images, labels, indices)


@dataclass(frozen=True)
class Plug(Attack):
    """The same settings in writing, whichever list it holds."""

    spy: Pulled

    def perturb(self, model, images, labels, indices):
        return self.spy.perturb(model, images, labels, indices)

    def __getattribute__(self, name):
        return {} if name == "__dict__" else super().__getattribute__(name)


def named(*at):
    return NamedAttack("pulled", Plug(Pulled([], list(at))))


def interrupted(tmp_path, at=113, model=None):
    attack = named(at)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(tmp_path, "validate", [attack], model)
    return attack.attack.spy


def test_finished_samples_are_taken_over_and_the_rest_is_attacked(tmp_path):
    before = interrupted(tmp_path)
    attack = named()
    resumed = run(tmp_path, "validate", [attack], resume_from=str(tmp_path))
    whole = run(tmp_path / "whole", "validate", [named()])
    assert rows(resumed, "val") == rows(whole, "val")
    assert not set(before.met) & set(attack.attack.spy.met)
    assert len(before.met) > 5
    assert not Path(resumed.log_dir, "results/val_partial").exists()


def test_an_interruption_of_the_resumed_run_loses_nothing_either(tmp_path):
    first = interrupted(tmp_path, 106)
    again = named(117)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(tmp_path, "validate", [again], resume_from=str(tmp_path))
    last = named()
    run(tmp_path, "validate", [last], resume_from=str(tmp_path))
    met = first.met + again.attack.spy.met + last.attack.spy.met
    assert len(met) == len(set(met)) == 18


def test_a_line_cut_off_in_writing_is_redone(tmp_path):
    interrupted(tmp_path)
    file = next(tmp_path.rglob("val_partial/rows.0.csv"))
    file.write_text(file.read_text().rstrip("\r\n")[:-3])
    resumed = run(tmp_path, "validate", [named()], resume_from=str(tmp_path))
    assert rows(resumed, "val") == rows(run(tmp_path / "whole", "validate", [named()]), "val")


def test_rows_of_another_model_or_other_attacks_are_refused(tmp_path):
    interrupted(tmp_path)
    other = defended()
    other.classifier.linear.bias.data += 1
    with pytest.raises(ValueError, match="same model and attacks, found other model in"):
        run(tmp_path, "validate", [named()], other, resume_from=str(tmp_path))
    with pytest.raises(ValueError, match="found other attacks in"):
        run(
            tmp_path,
            "validate",
            [NamedAttack("pgd", PGD(eps=EPS))],
            resume_from=str(tmp_path / "lightning_logs"),
        )
    with pytest.raises(ValueError, match="found other cascade in"):
        run(tmp_path, "validate", [named()], resume_from=str(tmp_path / "lightning_logs"), cascade=True)


def test_a_folder_without_an_interrupted_evaluation_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"interrupted evaluation \(results/val_partial\), found none in"):
        run(tmp_path, "validate", [named()], resume_from=str(tmp_path))
    shutil.rmtree(tmp_path)
