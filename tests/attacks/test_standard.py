"""The standard protocol: what it is made of, and that hiding gradients from it is of no use."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from sparsefront import DefendedClassifier, RobustEvaluation
from sparsefront.attacks import FGSM, PGD, GrayBox, NamedAttack, Neighbourhood, Standard, expanded, margin
from sparsefront.classifiers import ConvNet
from sparsefront.common.frozen_model import frozen_model
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.evaluation.diagnostics import probe
from sparsefront.frontends import CropEnsemble, Identity, TopT
from tests.helpers.linear_rig import EPS, margins, rows, run
from tests.helpers.planted import HIDING, PLAIN, network, right_digits, training_images

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
QUICK = {"mlp": 0.05, "convnet": 0.1}


def entries(frontend, **settings):
    model = DefendedClassifier(ConvNet, frontend, image_shape=(1, 28, 28), num_classes=10)
    return {one.name: one for one in Standard(**settings).entries("standard", model)}


def test_it_goes_through_every_mode_that_a_front_end_declares():
    made = entries(lambda shape: TopT(shape, n_atoms=20, top_t=3))
    assert [*made][:4] == ["standard.apgd_ce", "standard.apgd_t", "standard.apgd_exact", "standard.apgd_identity"]
    assert {"standard.gray_box", "standard.surrogate", "standard.search", "standard.apgd_best"} <= set(made)
    assert {one.attack.budget for one in made.values()} == {Standard().budget}
    assert {one.chain for one in made.values()} == {"standard"}
    assert all(one.attack.eot_iter == 1 for one in made.values() if hasattr(one.attack, "eot_iter") and not one.where)


def test_dear_remedies_meet_only_what_the_search_leaves():
    made = [name.removeprefix("standard.") for name in entries(Identity)]
    assert made.index("apgd_cw") < made.index("search")
    dear = ("averaged", "differences", "fine_differences", "fitted", "averaged_draws")
    assert all(made.index("search") < made.index(name) for name in dear)
    assert made.index("rescaled") < made.index("apgd_cw")


def test_it_asks_nothing_of_a_front_end_that_is_none_and_no_gray_box_where_codes_are_read():
    bare = entries(Identity)
    assert not {"standard.gray_box", "standard.surrogate", "standard.apgd_identity"} & set(bare)
    codes = entries(lambda shape: TopT(shape, n_atoms=20, top_t=3, decoder="identity"))
    assert "standard.gray_box" not in codes
    assert "standard.apgd_identity" in codes


def test_it_averages_over_the_draws_of_a_front_end_that_draws():
    made = entries(lambda shape: CropEnsemble(shape, n_crops=2, crop=0.5))
    assert made["standard.apgd_ce"].attack.eot_iter > 1
    assert made["standard.search"].attack.eot_iter > 1
    assert "standard.averaged_draws" not in made


def test_without_a_cascade_every_attack_stands_for_itself():
    made = entries(Identity, cascade=False)
    assert {(one.chain, one.start) for one in made.values()} == {(None, "clean")}
    assert "standard.apgd_best" not in made


def test_a_quick_one_fits_no_networks():
    assert not any(one.view.n_fitting_images for one in entries(TopT, effort="quick").values())
    assert any(one.view.n_fitting_images for one in entries(TopT).values())


def test_a_fine_estimate_is_for_samples_without_a_gradient_and_none_of_a_quick_ones():
    made = entries(Identity)
    assert made["standard.fine_differences"].attack.n_directions > made["standard.differences"].attack.n_directions
    assert made["standard.fine_differences"].where == ("zero_gradients",)
    assert "standard.fine_differences" not in entries(Identity, effort="quick")


@pytest.mark.slow
def test_answers_in_coarse_steps_hide_nothing_from_wide_differences_along_many_directions():
    bare, model = (planted.around(network("mlp")) for planted in (PLAIN["bare"], HIDING["round_logits"]))
    batch = right_digits(bare, 24)
    made = {one.name: one for one in Standard(eps=0.05).entries("s", model)}
    left = {}
    for name in ("s.differences", "s.fine_differences"):
        adversarial = made[name].attack(made[name].view(model), *batch)
        left[name] = int((model(adversarial).argmax(dim=1) == batch.label).sum())
    assert left["s.fine_differences"] <= standing(bare, batch, 0.05) + 1
    assert left["s.differences"] <= left["s.fine_differences"] + 3


def test_l1_is_not_searched_by_decisions():
    assert "standard.decisions" in entries(Identity, norm="L2", eps=1.0)
    assert "standard.decisions" not in entries(Identity, norm="L1", eps=10)


def test_a_protocol_with_a_view_or_a_name_twice_is_refused():
    model = PLAIN["bare"].around(network("mlp"))
    with pytest.raises(ValueError, match="must not stop early with view GrayBox, found Standard"):
        expanded([NamedAttack("a", Standard(), GrayBox())], model)
    twice = [NamedAttack("a", Standard()), NamedAttack("a.search", FGSM())]
    with pytest.raises(ValueError, match=r"must have different names, found a\.search twice"):
        expanded(twice, model)


@pytest.mark.parametrize(
    "settings", [{"view": Neighbourhood()}, {"chain": "mine"}, {"where": ("rippled",)}, {"target": "random"}]
)
def test_settings_of_its_entry_that_it_would_not_keep_to_are_refused(settings):
    model = PLAIN["bare"].around(network("mlp"))
    protocol = NamedAttack("a", Standard(), **settings)
    with pytest.raises(ValueError, match="of 'a' must be left out: Standard chooses them"):
        expanded([protocol], model)


def test_diagnostics_raise_nothing_of_its_remedies_on_a_plain_model():
    model = PLAIN["bare"].around(network("mlp"))
    made = expanded([NamedAttack("s", Standard(eps=0.05, effort="quick"))], model)
    assert not [found.sentence for found in probe(model, made, right_digits(model, 20)) if found.raised]


def attacked(model, batch, eps, effort="quick", fitted=False):
    """What became of samples that a model gets right, and of which attacks failed, without what has to be fitted."""
    made = expanded([NamedAttack("s", Standard(eps=eps, effort=effort))], model)
    kept = [one for one in made if fitted or not (one.view.n_fitting_images or one.attack.n_fitting_images)]
    with frozen_model(model):
        attacking = AttackRun(model, kept, training_images=training_images, draws=10)
        return attacking.attack(batch), attacking.errors


def standing(*case, **settings):
    """How many samples stand in the end."""
    return int(attacked(*case, **settings)[0].worst().sum())


@pytest.mark.parametrize(
    "kind", ["round", "detach", "saturate", "softmax", "flip", "clip", "dead_branch", "kink", "answer_alone"]
)
def test_a_gradient_that_is_hidden_hides_nothing_from_it(kind):
    bare, model = (planted.around(network("mlp")) for planted in (PLAIN["bare"], HIDING[kind]))
    batch = right_digits(bare, 24)
    truth = standing(bare, batch, 0.05)
    assert 0 < truth < 24
    assert standing(model, batch, 0.05) <= truth + 1


@pytest.mark.parametrize("kind", ["detach", "not_a_number"])
def test_where_there_is_no_gradient_no_attack_fails_and_none_is_kept_from_its_images(kind):
    bare, model = (planted.around(network("mlp")) for planted in (PLAIN["bare"], HIDING[kind]))
    _, errors = attacked(model, right_digits(bare, 4), 0.05)
    assert errors == {}


def test_labels_alone_hide_little_even_from_a_quick_one():
    bare, model = (planted.around(network("mlp")) for planted in (PLAIN["bare"], HIDING["one_hot"]))
    batch = right_digits(bare, 24)
    assert standing(model, batch, 0.05) <= standing(bare, batch, 0.05) + 3


@pytest.mark.parametrize("kind", [kind for kind in PLAIN if kind != "bare"])
def test_a_plain_model_is_left_what_gradients_leave_it(kind):
    model = PLAIN[kind].around(network("mlp"))
    batch = right_digits(model, 24)
    attack = PGD(eps=0.05, steps=100, loss="cw", n_restarts=2, early_stop=True)
    with torch.no_grad():
        truth = int((model(attack(model, *batch)).argmax(dim=1) == batch.label).sum())
    assert truth - 2 <= standing(model, batch, 0.05) <= truth


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "convnet"])
@pytest.mark.parametrize("kind", HIDING)
def test_no_way_of_hiding_gradients_hides_more_than_three_in_a_hundred_samples(kind, name):
    model, (batch, truth) = HIDING[kind].around(network(name)), truth_of(name)
    assert standing(model, batch, QUICK[name], "standard", fitted=True) <= truth + 3


@cache
def truth_of(name):
    """A hundred digits that a network gets right, and how many stand where nothing hides its gradients."""
    bare = PLAIN["bare"].around(network(name))
    batch = right_digits(bare, 100)
    return batch, standing(bare, batch, QUICK[name], "standard", fitted=True)


def test_on_a_linear_model_the_worst_case_is_the_closed_form_in_batches_of_any_size(tmp_path):
    attacks = [NamedAttack("standard", Standard(eps=EPS, effort="quick"))]
    found = {}
    for size in (4, 21):
        trainer = run(tmp_path / str(size), "validate", attacks, batch_size=size)
        worst = trainer.callback_metrics["val/robust_acc/worst"].item()
        assert worst == pytest.approx((margins() > EPS).double().mean().item())
        found[size] = [{key: cell for key, cell in row.items() if "/pred" in key} for row in rows(trainer, "val")]
        about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
        assert {entry["chain"] for entry in about["attacks"]} == {"standard"}
    assert found[4] == found[21]


def test_a_word_names_the_protocol_of_that_effort(tmp_path):
    trainer = run(tmp_path, "validate", "quick")
    about = json.loads(Path(f"{trainer.log_dir}/results/val_attacks.json").read_text())
    assert about["attacks"][0]["name"] == "quick.apgd_ce"
    assert RobustEvaluation("quick").attacks == [NamedAttack("quick", Standard(effort="quick"))]


def test_the_protocol_alone_is_judged_in_its_own_ball():
    evaluation = RobustEvaluation(Standard(eps=0.5, norm="L2", effort="thorough"))
    assert evaluation.attacks == [NamedAttack("thorough", Standard(eps=0.5, norm="L2", effort="thorough"))]


def test_a_function_from_images_to_logits_is_attacked_without_what_it_lacks():
    model = PLAIN["bare"].around(network("mlp"))
    batch = right_digits(model, 24)
    adversarial = Standard(eps=0.05, effort="quick")(lambda images: model(images), *batch)
    assert (adversarial - batch.image).abs().max() <= 0.05 + 1e-6
    with torch.no_grad():
        logits, clean = model(adversarial), model(batch.image)
    stands = logits.argmax(dim=1) == batch.label
    assert int(stands.sum()) == standing(model, batch, 0.05)
    # One that stands is handed back where its margin was largest, not as it came.
    assert (margin(logits, batch.label) > margin(clean, batch.label))[stands].all()
