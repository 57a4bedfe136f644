import csv
import json
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from sparsefront import DefendedClassifier, RobustEvaluation
from sparsefront.attacks import FGSM, PGD, Attack, GrayBox, NamedAttack, NoiseControl, Square, WhiteBox
from sparsefront.common.frozen_model import frozen_model
from sparsefront.evaluation import Samples
from sparsefront.evaluation.logged_metrics import logged_metrics
from sparsefront.frontends import FrontEnd, Identity, TopT
from tests.helpers.linear_rig import EPS, SHAPE, Samples21, WithDropout, defended, loader, margins, rows, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

PGD_LINF = NamedAttack("pgd", PGD(eps=EPS, steps=10))
FGSM_SMALL = NamedAttack("fgsm", FGSM(eps=EPS / 4))


@pytest.mark.parametrize(("verb", "stage"), [("fit", "val"), ("validate", "val"), ("test", "test")])
def test_robust_accuracy_of_a_linear_model_is_the_share_of_samples_farther_away_than_eps(tmp_path, verb, stage):
    trainer = run(tmp_path, verb, [PGD_LINF, FGSM_SMALL])
    expected = (margins() > EPS).double().mean().item()
    assert 0.1 < expected < 0.8
    metrics = trainer.callback_metrics
    assert metrics[f"{stage}/robust_acc/pgd"].item() == pytest.approx(expected)
    assert metrics[f"{stage}/robust_acc/fgsm"].item() == pytest.approx((margins() > EPS / 4).double().mean().item())
    assert metrics[f"{stage}/robust_acc/worst"].item() == pytest.approx(expected)
    assert metrics[f"{stage}/clean_acc"].item() == pytest.approx(18 / 21)
    assert metrics[f"{stage}/linf/pgd"].item() == pytest.approx(EPS, rel=1e-4)
    assert metrics[f"{stage}/success/pgd"].item() == pytest.approx(1 - expected * 21 / 18)


def test_the_file_holds_one_row_a_sample_with_what_happened_to_it(tmp_path):
    found = rows(run(tmp_path, "validate", [PGD_LINF, FGSM_SMALL]), "val")
    assert [int(row["index"]) for row in found] == list(range(100, 121))
    for row, margin, label in zip(found, margins().tolist(), Samples21().labels.tolist(), strict=True):
        assert int(row["label"]) == label
        assert int(row["clean_pred"]) == (label if margin > 0 else 1 - label)
        assert int(row["pgd/success"]) == (0 < margin < EPS)
        assert int(row["pgd/pred"]) == (label if margin > EPS else 1 - label)
        assert (row["pgd/linf"] == "") == (margin < 0)  # wrong from the start, so not attacked


def test_results_do_not_depend_on_the_batch_size(tmp_path):
    assert rows(run(tmp_path / "a", "validate", [PGD_LINF], batch_size=4), "val") == rows(
        run(tmp_path / "b", "validate", [PGD_LINF], batch_size=21), "val"
    )


def test_the_worst_case_is_taken_sample_by_sample():
    label = np.array([0, 0, 0, 0])
    samples = Samples({
        "index": np.arange(4), "label": label, "clean_pred": np.array([0, 0, 0, 1]),
        "a/pred": np.array([0, 1, 0, 0]), "a/success": np.array([0, 1, 0, 0]),
        "b/pred": np.array([1, 0, 0, 0]), "b/success": np.array([1, 0, 0, 0]),
        **{f"{attack}/{norm}": np.zeros(4) for attack in "ab" for norm in ("linf", "l2", "l1")},
    })  # fmt: skip
    metrics = logged_metrics(samples, ["a", "b"])
    assert metrics["robust_acc/a"] == metrics["robust_acc/b"] == 0.5
    assert metrics["robust_acc/worst"] == 0.25


def test_only_the_first_samples_are_attacked_when_the_number_is_limited(tmp_path):
    found = rows(run(tmp_path, "validate", [PGD_LINF], max_samples=10), "val")
    assert [int(row["index"]) for row in found] == list(range(100, 110))


class Counting(Attack):
    def __init__(self):
        self.calls = 0

    def perturb(self, model, images, labels, indices):
        self.calls += 1
        return images


def test_fit_attacks_in_every_nth_epoch_and_in_the_last_only(tmp_path):
    counting = Counting()
    trainer = pl.Trainer(
        max_epochs=5, accelerator="cpu", callbacks=[RobustEvaluation([NamedAttack("c", counting)], every_n_epochs=2)],
        logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(defended(), loader(21), loader(21))
    assert counting.calls == 3  # epochs 2, 4 and 5


def test_attacks_between_epochs_do_not_change_the_training(tmp_path):
    def trained(attacks):
        pl.seed_everything(5)
        model = defended(WithDropout)
        model.build_optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.1)
        trainer = pl.Trainer(
            max_epochs=3, accelerator="cpu", callbacks=[RobustEvaluation(attacks)], logger=False,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
            default_root_dir=tmp_path,
        )  # fmt: skip
        trainer.fit(model, torch.utils.data.DataLoader(Samples21(), batch_size=4, shuffle=True), loader())
        return model.classifier.linear.weight

    assert torch.equal(trained([]), trained([NamedAttack("pgd", PGD(eps=EPS, steps=2, n_restarts=2))]))


def test_modes_flags_and_random_states_come_back_even_after_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Linear(2, 2))
    model[0].eval()
    model[2].weight.requires_grad_(False)
    state = torch.get_rng_state()

    def attack():
        with frozen_model(model):
            assert not any(module.training for module in model.modules())
            assert not any(parameter.requires_grad for parameter in model.parameters())
            torch.rand(3)
            raise KeyError

    with pytest.raises(KeyError):
        attack()
    assert [module.training for module in model] == [False, True, True]
    assert [parameter.requires_grad for parameter in model.parameters()] == [True, True, False, True]
    assert torch.equal(torch.get_rng_state(), state)


class Broken(Attack):
    def perturb(self, model, images, labels, indices):
        raise ValueError("the moon is full")


class NotANumber(Attack):
    def perturb(self, model, images, labels, indices):
        return images * torch.nan


def test_an_attack_that_fails_is_named_and_never_counts_as_survived(tmp_path):
    attacks = [NamedAttack("broken", Broken()), NamedAttack("nan", NotANumber()), PGD_LINF]
    trainer = run(tmp_path, "validate", attacks)
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    errors = {entry["name"]: entry["error"] for entry in about["attacks"]}
    assert "the moon is full" in errors["broken"]
    assert "finite" in errors["nan"]
    assert errors["pgd"] is None
    assert "val/robust_acc/broken" not in trainer.callback_metrics
    assert trainer.callback_metrics["val/robust_acc/worst"] == trainer.callback_metrics["val/robust_acc/pgd"]
    assert "broken/pred" not in rows(trainer, "val")[0]


class Blind(FrontEnd):
    """The images, without a derivative."""

    def forward(self, images):
        return images.detach()


def test_diagnostics_that_cannot_be_had_cost_no_evaluation(tmp_path):
    trainer = run(tmp_path, "validate", [NamedAttack("noise", NoiseControl(PGD_LINF.attack)), PGD_LINF], diagnostics=5)
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert {sign["flag"] for sign in about["diagnostics"]} >= {"randomised", "zero_gradients", "restarts_still_help"}
    blind = run(
        tmp_path,
        "validate",
        [NamedAttack("square", Square(eps=EPS, n_queries=9))],
        defended(frontend=Blind),
        diagnostics=5,
    )
    assert rows(blind, "val")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sparsefront.evaluation.diagnostics.value_and_gradient", lambda *_: 1 / 0)
        trainer = run(tmp_path, "validate", [PGD_LINF], diagnostics=5)
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    (sign,) = [sign for sign in about["diagnostics"] if sign["flag"] == "probe_failed"]
    assert sign["raised"]
    assert "ZeroDivisionError" in sign["sentence"]


def test_that_nothing_was_probed_is_said(tmp_path):
    trainer = run(tmp_path, "validate", [NamedAttack("broken", Broken())], diagnostics=5)
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    (sign,) = [sign for sign in about["diagnostics"] if sign["raised"]]
    assert sign["sentence"].startswith("not probed")


@pytest.mark.parametrize(("turned", "raised"), [(False, False), (True, True)])
def test_a_model_that_is_no_better_than_one_answer_for_all_is_pointed_out(tmp_path, turned, raised):
    model = defended()
    if turned:
        nn.init.zeros_(model.classifier.linear.weight)
    trainer = run(tmp_path, "validate", [PGD_LINF], model=model)
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    (sign,) = [sign for sign in about["diagnostics"] if sign["flag"] == "no_better_than_one_class"]
    assert sign["raised"] == raised


class Halved(FrontEnd):
    """Deployed: halves the contrast. Its stand-in's gradient points the wrong way, on purpose."""

    def forward(self, images):
        return 0.5 * images + 0.25

    def backward_modes(self):
        def wrong():
            return lambda images: self(images).detach() - (images - images.detach())

        return {**super().backward_modes(), "wrong": wrong}


def test_the_adversary_follows_the_stand_in_and_is_scored_on_the_deployed_model(tmp_path):
    attacks = [
        NamedAttack("exact", PGD(eps=EPS, steps=10)),
        NamedAttack("wrong", PGD(eps=EPS, steps=10, random_start=False), WhiteBox("wrong")),
        NamedAttack("gray", PGD(eps=EPS, steps=10), GrayBox()),
    ]
    metrics = run(tmp_path, "validate", attacks, defended(frontend=Halved)).callback_metrics
    # Halving about the middle keeps every decision and every direction of a linear model.
    assert metrics["val/robust_acc/exact"].item() == pytest.approx((margins() > EPS).double().mean().item())
    assert metrics["val/robust_acc/gray"] == metrics["val/robust_acc/exact"]
    assert metrics["val/robust_acc/wrong"] == metrics["val/clean_acc"]


def test_pictures_hold_what_the_classifier_sees(tmp_path):
    import numpy as np

    trainer = run(tmp_path, "validate", [PGD_LINF], defended(frontend=Halved), n_images=3)
    arrays = np.load(f"{trainer.log_dir}/results/val_images.npz")
    assert arrays["clean"].shape == (3, *SHAPE)
    np.testing.assert_allclose(arrays["through/pgd"], 0.5 * arrays["adv/pgd"] + 0.25, rtol=1e-6)


def a_top_t(shape):
    return TopT(shape, n_atoms=20, patch_size=2, decoder="identity", dictionary="dct")


@pytest.mark.parametrize(
    ("attacks", "frontend", "message"),
    [
        ([PGD_LINF, PGD_LINF], Identity, r"names of their own, found \['pgd'\]"),
        ([NamedAttack("p", PGD(), WhiteBox("smoth"))], a_top_t, "Attack 'p': `backward` of TopT must be one of"),
        ([NamedAttack("g", PGD(), GrayBox())], a_top_t, "Attack 'g'"),
    ],
)
def test_attacks_that_cannot_run_are_refused_before_training(tmp_path, attacks, frontend, message):
    with pytest.raises(ValueError, match=message):
        run(tmp_path, "fit", attacks, DefendedClassifier(lambda c, k: nn.Flatten(), frontend, SHAPE, 2))


def over(number):
    return (margins()[:number] > 0).double().mean().item(), (margins()[:number] > EPS).double().mean().item()


@pytest.mark.parametrize(("verb", "stage"), [("fit", "val"), ("validate", "val"), ("test", "test")])
@pytest.mark.parametrize(("batch_size", "limit", "number"), [(4, 5, 5), (21, 5, 5), (4, None, 21), (4, 400, 21)])
def test_clean_and_robust_accuracy_are_over_the_same_samples_whose_number_is_logged(
    tmp_path, verb, stage, batch_size, limit, number
):
    metrics = run(tmp_path, verb, [PGD_LINF], batch_size=batch_size, max_samples=limit).callback_metrics
    clean, robust = over(number)
    assert metrics[f"{stage}/clean_acc"].item() == pytest.approx(clean)
    assert metrics[f"{stage}/robust_acc/pgd"].item() == pytest.approx(robust)
    assert metrics[f"{stage}/clean_acc/n"] == number
    assert metrics[f"{stage}/acc"].item() == pytest.approx(over(21)[0])
    assert metrics[f"{stage}/acc/n"] == 21
    assert over(5)[0] != over(21)[0]


def test_a_curve_of_clean_accuracy_is_over_the_same_samples_in_every_epoch(tmp_path):
    evaluation = RobustEvaluation([PGD_LINF], every_n_epochs=2, max_samples=5)
    trainer = pl.Trainer(
        max_epochs=3, accelerator="cpu", callbacks=[evaluation], logger=pl.loggers.CSVLogger(tmp_path),
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=2,
    )  # fmt: skip
    model = defended()
    model.build_optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.0)
    trainer.fit(model, loader(4), loader(4))
    with open(f"{trainer.log_dir}/metrics.csv") as file:
        logged = [row for row in csv.DictReader(file) if row["val/clean_acc"]]
    assert [float(row["val/clean_acc/n"]) for row in logged] == [5, 5, 5]
    assert [float(row["val/clean_acc"]) for row in logged] == pytest.approx([over(5)[0]] * 3)
    assert [float(row["val/acc/n"]) for row in logged] == [21, 21, 21]
    assert [bool(row["val/robust_acc/pgd"]) for row in logged] == [False, True, True]


@pytest.mark.parametrize(("verb", "number"), [("fit", 21), ("validate", 5)])
def test_without_attacks_clean_accuracy_is_over_the_samples_that_the_records_have(tmp_path, verb, number):
    metrics = run(tmp_path, verb, [], max_samples=5).callback_metrics
    assert metrics["val/clean_acc"].item() == pytest.approx(over(number)[0])
    assert (metrics["val/clean_acc/n"], metrics["val/acc/n"]) == (number, 21)


def test_in_a_cascade_an_attack_that_met_no_sample_is_not_logged(tmp_path):
    huge = NamedAttack("huge", PGD(eps=1.0, steps=10))
    late = NamedAttack("late", FGSM(eps=EPS))
    metrics = run(tmp_path, "validate", [huge, late], cascade=True).callback_metrics
    assert metrics["val/robust_acc/huge"] == metrics["val/robust_acc/worst"] == 0
    assert "val/robust_acc/late" not in metrics
    some = run(tmp_path, "validate", [PGD_LINF, late], cascade=True).callback_metrics
    assert "val/robust_acc/late" in some


def test_of_a_model_that_is_right_on_nothing_every_robust_accuracy_is_nothing(tmp_path):
    model = defended()
    model.classifier.linear.weight.data.neg_()
    model.classifier.linear.bias.data.neg_()
    metrics = run(tmp_path, "validate", [PGD_LINF], model, max_samples=None).callback_metrics
    assert metrics["val/clean_acc"].item() == pytest.approx(3 / 21)
    only = Samples({
        "index": np.arange(2), "label": np.array([0, 0]), "clean_pred": np.array([1, 1]),
        "a/pred": np.array([1, 1]), "a/success": np.array([0, 0]),
        **{f"a/{norm}": np.full((2,), np.nan) for norm in ("linf", "l2", "l1")},
    })  # fmt: skip
    assert logged_metrics(only, ["a"])["robust_acc/a"] == 0  # a checkpoint that watches it finds it
