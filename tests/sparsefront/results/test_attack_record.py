"""What a record says of an attack is what the attack says of itself, before and after it went through a file."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from benchmarks.older_results import SAID, completed
from sparsefront.attacks import (
    APGD,
    PGD,
    Attack,
    AutoAttack,
    DeepFool,
    GrayBox,
    Growing,
    NamedAttack,
    Neighbourhood,
    NoiseControl,
    Rescaled,
    SavedImages,
    Square,
    WhiteBox,
)
from sparsefront.attacks.saved_images import save_images
from sparsefront.common.budget import Budget
from sparsefront.report.row import rows_of
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.cost import Cost
from sparsefront.results.entry import Entry
from sparsefront.results.run import Run
from tests.helpers.linear_rig import run
from tests.helpers.places import ROOT


@dataclass(frozen=True)
class Halo(Attack):
    """A plug-in whose ball has a name of its own."""

    radius: float = 0.25

    @property
    def budget(self):
        return Budget("Linf", self.radius)

    def perturb(self, model, images, labels, indices):
        return (images + self.radius).clamp(0, 1)


def saved(folder, attack):
    images = torch.zeros(2, 1, 4, 4)
    save_images(folder, "0_0", attack, images, images, torch.arange(2))
    return SavedImages(str(folder))


def read(written):
    return AttackRecord.read(Entry(json.loads(json.dumps(written)), Path("file.json"), "write it again"))


@pytest.mark.parametrize(
    ("attack", "budget", "minimises"),
    [
        (PGD(eps="8/255"), Budget("Linf", 8 / 255), None),
        (PGD(eps=0.1, norm="L2", relative=True), Budget("L2", 0.1, True), None),
        (Growing(PGD(eps=0.3, norm="L1"), sizes=[0.5, 2]), Budget("L1", 2.0), None),
        (Rescaled(DeepFool(), size="1/10"), Budget("L2", 0.1), None),
        (NoiseControl(APGD(eps=0.1)), Budget("Linf", 0.1), None),
        (Halo(radius=0.2), Budget("Linf", 0.2), None),
        (DeepFool(norm="Linf"), None, "Linf"),
    ],
)
def test_a_record_has_the_budget_of_the_contract_and_keeps_it_in_its_file(tmp_path, attack, budget, minimises):
    for one in (attack, saved(tmp_path, attack)):
        record = AttackRecord.of(NamedAttack("a", one), "smooth")
        assert (record.budget, record.minimises) == (budget, minimises)
        again = read(record.written())
        assert (again.budget, again.minimises) == (budget, minimises)
        assert again.written() == json.loads(json.dumps(record.written()))
        assert (again.ball is None) == (budget is None or budget.relative)


def test_a_record_keeps_cost_error_and_view():
    named = NamedAttack("a", PGD(), Neighbourhood(WhiteBox()), target="random")
    record = AttackRecord.of(named, "smooth", Cost(1.5, 4, 40, 20), "OSError: no")
    assert read(record.written()) == record
    assert (record.adversary, record.target, record.error) == ("white box, smooth, averaged", "random", "OSError: no")
    assert (record.seconds, record.forwards_each, record.backwards_each) == (1.5, 10.0, 5.0)
    assert AttackRecord.of(NamedAttack("a", PGD()), "smooth").forwards_each is None


@pytest.mark.parametrize(
    ("attack", "view", "asks"),
    [
        (PGD(), WhiteBox(), False),
        (Square(), WhiteBox(), True),
        (Square(early_stop=False), GrayBox(), False),
        (AutoAttack(), WhiteBox(), True),  # Square is in it
        (Growing(AutoAttack()), WhiteBox(), True),
        (AutoAttack(version="rand"), WhiteBox(), False),
    ],
)
def test_whether_the_deployed_model_is_asked_alone_follows_from_the_contract(attack, view, asks):
    assert AttackRecord.of(NamedAttack("a", attack, view), "smooth").asks_only == asks


def test_every_ball_that_an_attack_kept_to_has_its_worst_case_in_the_table(tmp_path):
    first = run(tmp_path / "a", "validate", [NamedAttack("pgd", PGD(eps=0.3, steps=3))], save_images=True)
    folder = f"{first.log_dir}/results/val_adversarial/pgd"
    attacks = [
        NamedAttack("growing", Growing(PGD(steps=3), sizes=[0.01, 0.02])),
        NamedAttack("rescaled", Rescaled(PGD(steps=3), size=0.5, norm="L2")),
        NamedAttack("saved", SavedImages(folder)),
        NamedAttack("halo", Halo(radius=0.25)),
        NamedAttack("deep_fool", DeepFool()),
    ]
    trainer = run(tmp_path / "b", "validate", attacks)
    rows = {row.attack: row for row in rows_of(Run.load(trainer.log_dir))}
    assert {"worst Linf 0.02", "worst L2 0.5", "worst Linf 0.3", "worst Linf 0.25"} <= set(rows)
    assert rows["worst Linf 0.3"].robust.hits <= rows["worst Linf 0.02"].robust.hits == rows["growing"].robust.hits


RECORDS = sorted(
    [*(ROOT / "docs/results").rglob("*_attacks.json"), *(ROOT / "docs/results").rglob("*_representations.json")]
)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.parent.name}/{path.parent.name}")
def test_the_committed_results_say_the_budgets_of_the_attacks_that_their_settings_build(path):
    record = json.loads(path.read_text())
    entries = record["attacks"] if "attacks" in record else record["variants"]
    assert entries
    for entry in entries:
        assert {key: entry[key] for key in SAID} == {key: completed(entry)[key] for key in SAID}
        assert read(entry).budget == (None if entry["budget"] is None else Budget(**entry["budget"]))
