"""Attacks on batches: who meets which attack, what it costs, and who has the last word."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from sparsefront.attacks import (
    FGSM,
    PGD,
    Attack,
    AutoAttack,
    DeepFool,
    FittedSurrogate,
    GaussianBlurControl,
    Growing,
    NamedAttack,
    Neighbourhood,
    NoiseControl,
    Transfer,
    View,
    WhiteBox,
    value_and_gradient,
)
from sparsefront.attacks.saved_images import SavedImages
from sparsefront.attacks.signs import SIGNS
from sparsefront.attacks.views.view import unmetered
from sparsefront.common.frozen_model import frozen_model
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.frontends import Identity
from tests.helpers.linear_rig import EPS, Drawing, Linear, Samples21, defended, margins, rows, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
WEAK, STRONG = NamedAttack("weak", PGD(eps=EPS / 4, steps=5)), NamedAttack("strong", PGD(eps=EPS, steps=5))


@dataclass(frozen=True)
class Spy(Attack):
    """Changes nothing and keeps the sample numbers that it met."""

    met: list

    def perturb(self, model, images, labels, indices):
        self.met.extend(indices.tolist())
        return images


def everything():
    data = Samples21()
    return Batch(data.images, data.labels, torch.arange(100, 121))


def attacked(attacks, model=None, **settings):
    model = (model or defended()).eval()
    with frozen_model(model):
        attacking = AttackRun(model, attacks, training_images=lambda number: everything()[:2], **settings)
        return attacking, attacking.attack(everything())


def test_by_default_every_attack_meets_every_sample_that_was_right():
    spy = Spy([])
    attacked([STRONG, NamedAttack("spy", spy)])
    assert spy.met == [100 + i for i, margin in enumerate(margins().tolist()) if margin > 0]


@dataclass(frozen=True)
class Misled(View):
    """All images fool it, but when it is cold it is the model."""

    knowledge = "white_box"
    is_deployed = True
    is_cold: bool = False

    def cold(self):
        return replace(self, is_cold=True)

    def __call__(self, model, meter=unmetered):
        return meter(lambda images: model(images) * (1 if self.is_cold else -1))


def test_what_a_warm_view_took_for_fooled_is_attacked_again_cold():
    stopping = PGD(eps=EPS, steps=5, early_stop=True)
    views = {"misled": Misled(), "cold": WhiteBox()}
    attacking, samples = attacked([NamedAttack(name, stopping, view) for name, view in views.items()])
    assert not attacking.errors
    found = {name: samples.correct(name) for name in views}
    assert (found["misled"] == found["cold"]).all()
    assert (found["cold"] != samples.correct()).any()


def test_attacks_that_walk_to_the_boundary_are_never_warm():
    walking, staying = (NamedAttack(type(one).__name__, one, Misled()) for one in (DeepFool(), PGD()))
    attacking, _ = attacked([walking, staying])
    assert attacking.prepared.ready(walking)[0].view.is_cold
    assert not attacking.prepared.ready(staying)[0].view.is_cold


def test_a_cascade_passes_on_the_samples_still_standing_and_its_worst_case_is_the_same():
    spy = Spy([])
    _, samples = attacked([WEAK, STRONG, NamedAttack("spy", spy)], cascade=True)
    assert spy.met == [100 + i for i, margin in enumerate(margins().tolist()) if margin > EPS]
    _, apart = attacked([WEAK, STRONG])
    assert np.array_equal(samples.worst(), apart.worst())
    assert np.array_equal(samples.correct("strong"), samples.worst())
    met = (margins() > EPS / 4).sum()
    assert np.isfinite(samples.columns["strong/linf"]).sum() == met  # sizes of those that it met alone
    assert samples.columns["strong/success"].sum() == ((margins() > EPS / 4) & (margins() < EPS)).sum()


def test_attacks_of_a_chain_meet_what_was_left_and_others_meet_every_sample():
    met = {name: [] for name in ("chained", "other", "alone")}
    chain = [replace(WEAK, chain="a"), NamedAttack("chained", Spy(met["chained"]), chain="a")]
    others = [NamedAttack("other", Spy(met["other"]), chain="b"), NamedAttack("alone", Spy(met["alone"]))]
    attacked([*chain, *others])
    every = [100 + i for i, margin in enumerate(margins().tolist()) if margin > 0]
    assert met["other"] == met["alone"] == every
    assert met["chained"] == [100 + i for i, margin in enumerate(margins().tolist()) if margin > EPS / 4]


@dataclass(frozen=True)
class Begins(Attack):
    """Keeps the points that it is to begin from."""

    points: list
    begins_from_starts: ClassVar[bool] = True

    def perturb(self, model, images, labels, indices):
        self.points.append(None)
        return images

    def perturb_from(self, model, images, labels, indices, starts):
        self.points.append(starts)
        return starts


def test_an_attack_begins_from_the_image_of_largest_margin_that_its_chain_found():
    points = []
    far, near = NamedAttack("far", FGSM(eps=0.01), chain="a"), NamedAttack("near", FGSM(eps=0.001), chain="a")
    begins = NamedAttack("begins", Begins(points), chain="a", start="best")
    attacked([far, near, begins, NamedAttack("as_ever", Begins(points), chain="a")])
    starts, nothing = points
    assert nothing is None
    clean, labels, indices = everything()
    left = margins() > 0.01
    expected = FGSM(eps=0.01)(defended().eval(), clean[left], labels[left], indices[left])
    torch.testing.assert_close(starts, expected)  # a linear model's margin rises with eps


def test_an_attack_meets_only_samples_that_show_one_of_its_signs():
    met = {name: [] for name in ("hidden", "either", "all")}
    hidden = NamedAttack("hidden", Spy(met["hidden"]), where=("zero_gradients",))
    either = NamedAttack("either", Spy(met["either"]), where=("zero_gradients", "loss_does_not_rise"))
    _, samples = attacked([hidden, either, NamedAttack("all", Spy(met["all"]))])
    assert met["hidden"] == met["either"] == []  # a linear model's gradients say all there is to say
    assert not samples.attacked("hidden").any()
    assert np.array_equal(samples.correct("hidden"), samples.correct())
    attacked([hidden, either], defended(frontend=Cut))
    assert met["hidden"] == met["either"] == met["all"]


def test_attacks_and_diagnostics_look_for_a_sign_once_a_sample_and_rows_keep_what_they_saw(tmp_path, monkeypatch):
    met = []
    look = SIGNS["loss_does_not_rise"]

    def looked_for(model, images, labels, indices):
        met.extend(indices.tolist())
        return look(model, images, labels, indices)

    monkeypatch.setitem(SIGNS, "loss_does_not_rise", looked_for)
    chains = {"first": "a", "second": "a", "alone": None}
    remedies = [
        NamedAttack(name, Spy([]), chain=chain, where=("loss_does_not_rise",)) for name, chain in chains.items()
    ]
    attacks = [*remedies, NamedAttack("meant_for_all", Spy([]))]
    found = rows(run(tmp_path, "validate", attacks, defended(frontend=Flat), diagnostics=21), "val")
    right = [str(100 + i) for i, margin in enumerate(margins().tolist()) if margin > 0]
    assert sorted(map(str, met)) == right
    assert {row["index"]: row["sign:loss_does_not_rise"] for row in found} == {
        row["index"]: "1" if row["index"] in right else "" for row in found
    }


class Flat(Identity):
    """Hands images on with a gradient of zero."""

    def forward(self, images):
        return images.detach() + 0 * images


class Cut(Identity):
    """Hands images on without their gradient."""

    def forward(self, images):
        return images.detach()


def test_a_start_that_nothing_can_come_of_is_refused():
    with pytest.raises(ValueError, match="found no `chain`; name a chain and APGD"):
        NamedAttack("a", Begins([]), start="best")
    with pytest.raises(ValueError, match="found FGSM, which begins as it does"):
        NamedAttack("a", FGSM(), chain="a", start="best")
    with pytest.raises(ValueError, match="`start` must be one of"):
        NamedAttack("a", Begins([]), chain="a", start="last")


def test_falls_of_a_failed_attack_leave_its_own_chain_alone(tmp_path):
    tiny = PGD(eps=1e-6, steps=2)
    attacks = [NamedAttack("dies", Dies(), chain="a"), NamedAttack("after", tiny, chain="a")]
    attacks += [replace(STRONG, chain="b"), NamedAttack("behind", tiny, chain="b")]
    metrics = run(tmp_path, "validate", attacks).callback_metrics
    assert metrics["val/robust_acc/after"].item() == pytest.approx(18 / 21)
    standing = (margins() > EPS).double().mean().item()
    assert metrics["val/robust_acc/strong"].item() == metrics["val/robust_acc/behind"].item() == pytest.approx(standing)


def test_before_a_front_end_that_draws_a_verdict_is_over_draws(tmp_path):
    trainer = run(tmp_path, "validate", [STRONG], defended(frontend=Drawing), draws=4)
    found = rows(trainer, "val")
    assert {float(row["clean_draws"]) for row in found} <= {0, 0.25, 0.5, 0.75, 1}
    fell = [row for row in found if row["strong/success"] == "1"]
    assert fell
    assert all(float(row["strong/draws"]) < 0.5 for row in fell)
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert (about["draws"], about["randomised"], about["undefended"]) == (4, True, False)
    assert "clean_draws" not in rows(run(tmp_path / "sure", "validate", [STRONG], draws=4), "val")[0]


def test_the_cost_of_an_attack_is_counted_in_images_that_pass_forward_and_backward():
    attacking, _ = attacked([NamedAttack("pgd", PGD(eps=EPS, steps=5)), NamedAttack("fgsm", FGSM(eps=EPS))])
    right = int((margins() > 0).sum())
    pgd, fgsm = attacking.costs["pgd"], attacking.costs["fgsm"]
    assert (pgd.attacked, pgd.backwards, fgsm.backwards) == (right, 5 * right, right)
    assert pgd.forwards == 7 * right  # five steps, PGD's own last look, and the search form's verdict
    assert pgd.seconds > 0


def test_what_a_view_asks_of_models_is_counted_where_it_is_asked(tmp_path):
    right = int((margins() > 0).sum())
    view = Neighbourhood(n_samples=40)
    costs = attacked([NamedAttack("near", PGD(eps=EPS, steps=5), view)])[0].costs
    assert (costs["near"].forwards, costs["near"].backwards) == ((7 + 5 * 40) * right, 5 * 40 * right)

    several = Transfer(["a.ckpt", "b.ckpt"])
    other = defended().eval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transfer, "_surrogate", lambda view, kind, path: other)
        costs = attacked([NamedAttack("both", PGD(eps=EPS, steps=5), several)])[0].costs
    assert (costs["both"].forwards, costs["both"].backwards) == (2 * 6 * right, 2 * 5 * right)

    fitted = FittedSurrogate(n_fitting_images=21, steps=2, batch_size=3, width=2)
    costs = attacked([NamedAttack("fitted", PGD(eps=EPS, steps=5), fitted)])[0].costs
    assert costs["fitted"].forwards == 7 * right + 2 * 3  # the front end is asked about while it is fitted


def test_controls_and_attacks_of_any_size_do_not_enter_the_worst_case(tmp_path):
    aside = [NamedAttack("df", DeepFool()), NamedAttack("low", GaussianBlurControl(sigma=9.0))]
    aside += [NamedAttack("noise", NoiseControl(PGD(eps=0.5, steps=2)))]
    for cascade in (False, True):
        trainer = run(tmp_path / str(cascade), "validate", [*aside, WEAK, STRONG], cascade=cascade)
        metrics = trainer.callback_metrics
        assert metrics["val/robust_acc/df"] == 0
        assert metrics["val/robust_acc/worst"].item() == pytest.approx((margins() > EPS).double().mean().item())
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert [entry["in_worst_case"] for entry in about["attacks"]] == [False, False, False, True, True]
    alone = run(tmp_path / "alone", "validate", aside)
    assert "val/robust_acc/worst" not in alone.callback_metrics
    bounded = run(tmp_path / "bounded", "validate", [NamedAttack("df", DeepFool(norm="Linf", eps=EPS))])
    assert bounded.callback_metrics["val/robust_acc/worst"] < 18 / 21


@dataclass(frozen=True)
class Dies(Attack):
    """PGD until it meets a late sample."""

    def perturb(self, model, images, labels, indices):
        if int(indices.max()) >= 110:
            raise ValueError("late")
        return PGD(eps=EPS, steps=5)(model, images, labels, indices)


@pytest.mark.parametrize("cascade", [False, True])
def test_falls_of_an_attack_that_fails_later_enter_the_worst_case_and_no_row(tmp_path, cascade):
    tiny = NamedAttack("tiny", PGD(eps=1e-6, steps=2))
    trainer = run(tmp_path, "validate", [NamedAttack("dies", Dies()), tiny], cascade=cascade)
    found = rows(trainer, "val")
    assert "dies/pred" not in found[0]
    assert trainer.callback_metrics["val/robust_acc/tiny"].item() == pytest.approx(18 / 21)
    early = torch.arange(21) < 8  # of the batches before
    standing = (margins() > 0) & ~(early & (margins() < EPS))
    assert [int(row["fell"]) for row in found] == ((margins() > 0) & ~standing).long().tolist()
    worst = trainer.callback_metrics["val/robust_acc/worst"].item()
    assert worst == pytest.approx(standing.double().mean().item())
    assert worst < 18 / 21


class Rounding(Linear):
    """Evaluated alone it is the linear model; its folded copy is told apart by channels_last and says the opposite."""

    def forward(self, images):
        logits = super().forward(images)
        return logits.flip(1) if self.opposite else logits

    opposite = False

    def __deepcopy__(self, memo):
        copied = Rounding(1, 2)
        copied.opposite = True
        return copied


def test_a_sample_that_fools_only_the_form_it_was_searched_in_is_attacked_again_on_the_model():
    _, samples = attacked([NamedAttack("pgd", PGD(eps=EPS, steps=10, early_stop=True))], defended(Rounding))
    assert np.array_equal(samples.correct("pgd"), margins() > EPS)


class NaN(Linear):
    def forward(self, images):
        return super().forward(images) / 0 * 0


def test_a_model_that_returns_nan_is_wrong_and_attacks_on_it_fail(tmp_path):
    attacking, samples = attacked([STRONG], defended(NaN))
    assert not samples.correct().any()
    assert attacking.errors == {"strong": "the model returned NaN for 21 of 21 clean images"}
    assert samples.attacks == []
    trainer = run(tmp_path, "validate", [STRONG], defended(NaN))
    assert trainer.callback_metrics["val/clean_acc"] == 0
    assert "val/robust_acc/worst" not in trainer.callback_metrics


class NaNOfOne(Linear):
    def forward(self, images):
        bad = (images == Samples21().images[7]).flatten(1).all(dim=1)
        return super().forward(images).masked_fill(bad[:, None], torch.nan)


def test_one_clean_image_that_becomes_nan_fails_every_attack_on_all_batches(tmp_path):
    trainer = run(tmp_path, "validate", [WEAK, STRONG], defended(NaNOfOne))
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert {entry["error"] for entry in about["attacks"]} == {"the model returned NaN for 1 of 21 clean images"}
    right = (margins() > 0).clone()
    right[7] = False
    assert trainer.callback_metrics["val/clean_acc"].item() == pytest.approx(right.double().mean().item())


@dataclass(frozen=True)
class Fitted(Attack):
    """Moves by the mean of the training images' gradients once it has seen them."""

    n_fitting_images: int = 7
    direction: torch.Tensor | None = None
    seen: ClassVar[list] = []

    def fitted(self, model, images, labels):
        self.seen.append(len(images))
        _, gradient = value_and_gradient(model, images, lambda logits: logits[:, 1] - logits[:, 0], labels)
        return Fitted(self.n_fitting_images, gradient.mean(dim=0).sign())

    def perturb(self, model, images, labels, indices):
        return (images - EPS * self.direction * (2 * labels - 1)[:, None, None, None]).clamp(0, 1)


def test_a_view_is_fitted_on_training_images_once_before_it_is_differentiated(monkeypatch):
    given = []
    fitted = FittedSurrogate.fitted
    monkeypatch.setattr(
        FittedSurrogate,
        "fitted",
        lambda view, model, images, meter: given.append(len(images)) or fitted(view, model, images),
    )
    view = FittedSurrogate(n_fitting_images=21, steps=2, width=2)
    attacks = [NamedAttack("through", PGD(eps=EPS, steps=5), view), NamedAttack("again", PGD(eps=EPS, steps=5), view)]
    attacking, samples = attacked(attacks)
    assert not attacking.errors
    assert given == [21, 21]  # once an attack, not once a batch
    with frozen_model(attacking.model):
        attacking.attack(everything())
    assert given == [21, 21]
    assert set(samples.attacks) == {"through", "again"}


def test_an_attack_is_fitted_on_training_images_once_before_it_runs():
    attacking, samples = attacked([NamedAttack("fitted", Fitted())])
    with frozen_model(attacking.model):
        attacking.attack(everything())
    assert Fitted.seen == [21]
    assert np.array_equal(samples.correct("fitted"), margins() > EPS)


def test_before_a_front_end_that_draws_no_attack_stops_where_one_draw_was_fooled(tmp_path):
    stopping = NamedAttack("stopping", PGD(eps=EPS, steps=5, random_start=False, early_stop=True))
    attacking, samples = attacked([stopping], defended(frontend=Drawing))
    tried = samples.correct()
    assert np.allclose(samples.columns["stopping/linf"][tried], EPS, atol=1e-6)
    assert attacking.costs["stopping"].backwards == 5 * tried.sum()  # once: another verdict is another draw's
    trainer = run(tmp_path, "validate", [stopping], defended(frontend=Drawing))
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert about["attacks"][0]["attack"]["init_args"]["early_stop"] is False


def test_attacks_inside_attacks_walk_on_too():
    stopping, walking = PGD(early_stop=True), PGD(early_stop=False)
    assert Growing(stopping).without_early_stop() == Growing(walking)
    assert NoiseControl(stopping).without_early_stop() == NoiseControl(walking)
    assert AutoAttack().without_early_stop() == AutoAttack(version="rand")
    assert DeepFool().without_early_stop() == DeepFool()


def test_saved_images_met_by_another_model_are_a_transfer_row(tmp_path):
    first = run(tmp_path / "a", "validate", [STRONG], save_images=True)
    folder = f"{first.log_dir}/results/val_adversarial/strong"
    again = run(tmp_path / "b", "validate", [NamedAttack("saved", SavedImages(folder))])
    assert [row["saved/pred"] for row in rows(again, "val")] == [row["strong/pred"] for row in rows(first, "val")]
    about = json.loads(Path(f"{again.log_dir}/results/val_attacks.json").read_text())
    assert about["attacks"][0]["knowledge"] == "transfer"


def test_saved_images_keep_to_the_ball_of_the_attack_that_made_them_or_to_none(tmp_path):
    made_by = [
        NamedAttack("bounded", FGSM(eps=0.1)),
        NamedAttack("free", DeepFool()),
        NamedAttack("noise", NoiseControl(FGSM(eps=0.1))),
    ]
    first = run(tmp_path, "validate", made_by, save_images=True)
    saved = {
        named.name: NamedAttack("saved", SavedImages(f"{first.log_dir}/results/val_adversarial/{named.name}"))
        for named in made_by
    }
    for named in made_by:
        assert saved[named.name].attack.budget == named.attack.budget
        assert saved[named.name].attack.minimises == named.attack.minimises
        assert saved[named.name].in_worst_case == named.in_worst_case
    assert [found.knowledge for found in saved.values()] == ["transfer", "transfer", "control"]


def test_images_saved_in_a_cascade_are_those_that_each_sample_fell_with(tmp_path):
    first = run(tmp_path / "a", "validate", [WEAK, STRONG], save_images=True, cascade=True)
    folder = f"{first.log_dir}/results/val_adversarial/strong"
    again = run(tmp_path / "b", "validate", [NamedAttack("saved", SavedImages(folder))])
    assert [row["saved/pred"] for row in rows(again, "val")] == [row["strong/pred"] for row in rows(first, "val")]


def test_saved_images_of_other_samples_or_data_are_refused(tmp_path):
    first = run(tmp_path / "a", "validate", [STRONG], save_images=True, max_samples=10)
    saved = SavedImages(f"{first.log_dir}/results/val_adversarial/strong")
    data = everything()
    with pytest.raises(ValueError, match="found none for 11 of 21"):
        saved(Linear(1, 2), *data)
    with pytest.raises(ValueError, match="perturbations of these images"):
        saved(Linear(1, 2), *(tensor[:10] for tensor in (data.image.flip(0), data.label, data.index)))
    with pytest.raises(ValueError, match="save_images: true"):
        SavedImages(str(tmp_path))


@dataclass(frozen=True)
class Slow(Attack):
    """Takes a minute, by a clock that it moves."""

    clock: ClassVar[list[float]] = []

    def perturb(self, model, images, labels, indices):
        self.clock.append(self.clock[-1] + 60)
        return images


def test_no_batch_is_attacked_after_the_time_budget(tmp_path, monkeypatch):
    monkeypatch.setattr(Slow, "clock", [0.0])
    clock = SimpleNamespace(monotonic=lambda: Slow.clock[-1])
    monkeypatch.setattr("sparsefront.evaluation.robust_evaluation.time", clock)
    trainer = run(tmp_path, "validate", [NamedAttack("slow", Slow())], time_budget=50.0, batch_size=4)
    assert [int(row["index"]) for row in rows(trainer, "val")] == [100, 101, 102, 103]
    enough = run(tmp_path, "validate", [NamedAttack("slow", Slow())], time_budget=600.0)
    abouts = [Path(f"{of.log_dir}/results/val_attacks.json").read_text() for of in (trainer, enough)]
    assert [json.loads(about)["time_budget_reached"] for about in abouts] == [True, False]
