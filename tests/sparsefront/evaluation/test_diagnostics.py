"""A model that hides its gradients is flagged, a plain one is not."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.attacks import (
    FGSM,
    PGD,
    ZOO,
    Attack,
    AutoAttack,
    Boundary,
    Budget,
    DeepFool,
    GrayBox,
    Growing,
    HopSkipJump,
    NamedAttack,
    NoiseControl,
    Rescaled,
    Square,
)
from sparsefront.attacks.signs import SeenSigns
from sparsefront.classifiers import ConvNet
from sparsefront.common.frozen_model import frozen_model
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.evaluation.comparisons import compare_rows
from sparsefront.evaluation.diagnostics import _Seen, probe
from sparsefront.evaluation.meter import metered
from sparsefront.frontends import Identity
from sparsefront.results.cost import Cost
from sparsefront.results.samples import Samples
from tests.helpers.linear_rig import Drawing, Samples21, defended
from tests.helpers.planted import (
    HIDING,
    PLAIN,
    Answering,
    Faint,
    Gamma,
    Misleading,
    Noisy,
    Rounded,
    network,
    right_digits,
)
from tests.helpers.precision import DTYPE
from tests.helpers.real_digits import mnist_data


@dataclass(frozen=True)
class Asking(Attack):
    """Asks for no gradient of the model: it pushes every image towards another digit."""

    knowledge: ClassVar[str | None] = "black_box"

    eps: float = 0.3

    @property
    def budget(self):
        return Budget("Linf", self.eps)

    def perturb(self, model, images, labels, indices):
        other = OTHERS[(labels + 1) % 10]
        return (images + (other - images).clamp(-self.eps, self.eps)).clamp(0, 1)


def digits():
    pixels, labels = mnist_data()
    images = torch.from_numpy(pixels).to(DTYPE).view(-1, 1, 28, 28) / 255
    return images, torch.from_numpy(labels).long()


IMAGES, LABELS = digits()
OTHERS = torch.stack([IMAGES[digit == LABELS].mean(dim=0) for digit in range(10)])
ATTACKS = [
    NamedAttack("fgsm", FGSM(eps=0.3)),
    NamedAttack("pgd", PGD(eps=0.3, steps=20)),
    NamedAttack("asking", Asking()),
]


@pytest.fixture(scope="module")
def trained():
    """A small network that tells digits apart."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ConvNet(1, 10, width=16)
        optimizer = torch.optim.Adam(net.parameters(), 2e-3)
        for _ in range(120):
            chosen = torch.randint(5000, (64,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(IMAGES[chosen]), LABELS[chosen]).backward()
            optimizer.step()
    return net.eval()


def flags(frontend, net, attacks=ATTACKS):
    model = DefendedClassifier(lambda channels, classes: net, frontend, image_shape=(1, 28, 28)).eval()
    chosen = torch.arange(0, 5000, 250)
    with frozen_model(model), torch.random.fork_rng():
        right = chosen[(model(IMAGES[chosen]).argmax(dim=1) == LABELS[chosen])]
        batch = Batch(IMAGES[right], LABELS[right], right)
        samples = AttackRun(model, attacks, training_images=lambda number: digits()).attack(batch)
        found = compare_rows(attacks, samples) + probe(model, attacks, batch)
    return {finding.flag for finding in found if finding.raised}, found


def test_a_plain_network_raises_no_flag(trained):
    raised, found = flags(Identity, trained)
    assert raised == set()
    assert {finding.flag for finding in found} >= {
        "single_step_stronger", "black_box_stronger", "randomised", "zero_gradients", "loss_does_not_rise",
        "unbounded_attack_fails", "restarts_still_help",
    }  # fmt: skip


def test_a_front_end_without_a_derivative_is_flagged(trained):
    raised, found = flags(Rounded, trained)
    assert raised >= {"zero_gradients", "loss_does_not_rise", "unbounded_attack_fails", "black_box_stronger"}
    sentence = next(finding.sentence for finding in found if finding.flag == "zero_gradients")
    assert "gradients are exactly zero" in sentence


def raised_by(planted):
    model = planted.around(network("mlp"))
    attacks = [NamedAttack("pgd", PGD(eps=0.05, steps=5))]
    with torch.random.fork_rng():
        return {finding.flag for finding in probe(model, attacks, right_digits(model, 20)) if finding.raised}


@pytest.mark.parametrize("kind", PLAIN)
def test_what_is_plain_raises_no_flag(kind):
    assert raised_by(PLAIN[kind]) == set()


@pytest.mark.parametrize("kind", HIDING)
def test_whatever_hides_its_gradients_is_flagged(kind):
    flags = raised_by(HIDING[kind])
    assert flags
    assert "probe_failed" not in flags


def test_the_sentence_of_a_sign_names_its_remedy(trained):
    sentences = {"flip": "the view OppositeGradient", "ripple": "the view Neighbourhood, mirrored"}
    for kind, remedy in sentences.items():
        model = HIDING[kind].around(network("mlp"))
        found = probe(model, ATTACKS[:1], right_digits(model, 20))
        assert any(remedy in finding.sentence for finding in found if finding.raised)


def margins_of(net):
    lead = net(IMAGES[::125]).topk(2).values
    return (lead[:, 0] - lead[:, 1]).median().item()


def test_gradients_that_vanish_but_for_rounding_are_flagged_and_a_confident_network_is_not(trained):
    sentences = {}
    for wanted in (20, 70):
        scale = wanted / margins_of(trained)
        net = Answering(trained, lambda logits, scale=scale: scale * logits).eval()
        raised, found = flags(Identity, net)
        assert ("zero_gradients" in raised) == (wanted == 70)
        sentences[wanted] = next(finding.sentence for finding in found if finding.flag == "zero_gradients")
    assert "vanish" in sentences[70]
    assert "the loss `cw`" in sentences[70]
    assert "zero_gradients" in flags(Faint, trained)[0]


def test_an_attack_around_another_may_come_first(trained):
    for first in (NoiseControl(PGD(eps=0.1, steps=2)), Rescaled(PGD(eps=0.1, steps=2), size=0.1, norm="Linf")):
        raised, found = flags(
            Identity, trained, [NamedAttack("first", first), NamedAttack("pgd", PGD(eps=0.1, steps=2))]
        )
        assert "probe_failed" not in raised
        assert "restarts_still_help" in {finding.flag for finding in found}


@dataclass(frozen=True)
class Odd(Attack):
    """Says that it has a ball that nobody knows."""

    @property
    def budget(self):
        return Budget("L7", 0.1)

    def perturb(self, model, images, labels, indices):
        return images


def test_a_gradient_that_points_elsewhere_is_flagged(trained):
    assert flags(Misleading, trained)[0] & {"loss_does_not_rise", "unbounded_attack_fails", "black_box_stronger"}


def test_a_random_forward_is_flagged(trained):
    raised, found = flags(Noisy, trained)
    assert "randomised" in raised
    assert any("eot_iter" in finding.sentence for finding in found)


def test_a_probe_that_ends_in_an_error_is_a_finding(trained):
    raised, found = flags(Identity, trained, [NamedAttack("odd", Odd())])
    assert raised == {"probe_failed"}
    sentence = next(finding.sentence for finding in found if finding.flag == "probe_failed")
    assert "ended in an error" in sentence
    assert "found 'L7'" in sentence


@pytest.mark.filterwarnings("ignore:Attack 'pgd' failed")
def test_an_infinite_gradient_is_a_finding(trained):
    raised, found = flags(Gamma, trained, [NamedAttack("pgd", PGD(eps=0.1, steps=2))])
    assert "zero_gradients" in raised
    assert any("there is no usable gradient" in finding.sentence for finding in found)


def samples_where(sizes=None, **fell):
    """A hundred samples, the last wrong from the start, and how many of the first fell to each attack.

    The sizes of the perturbations are 1, or as given by attack.
    """
    label = np.zeros(100, dtype=int)
    clean = label.copy()
    clean[99] = 1
    columns = {"index": np.arange(100), "label": label, "clean_pred": clean}
    for name, chosen in fell.items():
        down = np.zeros(100, dtype=bool)
        down[list(chosen)] = True
        columns[f"{name}/pred"] = np.where(down, 1, clean)
        columns[f"{name}/success"] = down
        for norm in ("linf", "l2", "l1"):
            columns[f"{name}/{norm}"] = np.full((100,), (sizes or {}).get(name, 1.0))
    return Samples(columns)


def chained(**fell):
    """A chain of such samples: each attack fells some, and meets those that the ones before it left standing."""
    samples, columns = samples_where(**fell), {}
    standing = samples.correct()
    for name in fell:
        down = ~samples.correct(name) & standing
        columns[f"{name}/pred"] = np.where(standing & ~down, 0, 1)
        columns[f"{name}/success"] = down
        columns |= {f"{name}/{norm}": np.where(standing, 1.0, np.nan) for norm in ("linf", "l2", "l1")}
        standing = standing & ~down
    return Samples(samples.columns | columns)


def raised_sentences(attacks, sizes=None, **fell):
    return [finding.sentence for finding in compare_rows(attacks, samples_where(sizes, **fell)) if finding.raised]


WHITE, GRAY = NamedAttack("white", PGD(eps=0.1)), NamedAttack("gray", PGD(eps="1/10"), GrayBox())


def test_an_adversary_who_knows_less_and_fools_more_than_all_white_boxes_together_is_flagged():
    attacks = [WHITE, NamedAttack("other", PGD(eps=0.1, loss="cw")), GRAY]
    (sentence,) = raised_sentences(attacks, white=range(20), other=range(20, 30), gray=range(36))
    assert sentence.startswith("at Linf 0.1 gray fools 36 of 99 samples and white, other 30")
    assert "gradients may be masked" in sentence


CHAIN = [
    NamedAttack("gradient", PGD(eps=0.1), chain="c"),
    NamedAttack("other", PGD(eps=0.1, loss="cw"), chain="c"),
    NamedAttack("square", Square(eps=0.1), chain="c"),
    NamedAttack("noise", NoiseControl(PGD(eps=0.1)), chain="c"),
    NamedAttack("last", PGD(eps=0.1), chain="c"),
    NamedAttack("decisions", HopSkipJump(norm="Linf", eps=0.1), chain="c"),
]


def test_what_a_chains_white_boxes_left_standing_and_a_black_box_brings_down_is_flagged():
    fell = {"gradient": range(10), "other": range(10, 20), "square": range(25), "last": (30,), "decisions": (40, 41)}
    samples = chained(**fell)
    (finding,) = compare_rows(CHAIN, samples)  # noise did not run
    assert (finding.flag, finding.adversary, finding.raised) == ("black_box_stronger", "black box", True)
    assert finding.sentence == (
        "square and decisions bring down 7 of 99 samples that gradient and other had left standing: gradients did not "
        "show the way there, and may be masked."
    )
    (finding,) = compare_rows(CHAIN, chained(**fell | {"square": range(22)}))  # 4 may be chance
    assert not finding.raised
    assert finding.sentence == (
        "square and decisions bring down 4 of 99 samples that gradient and other had left standing."
    )


def test_in_a_chain_nobody_is_compared_with_white_boxes_behind_it_or_of_another_ball():
    assert compare_rows(CHAIN[1:][::-1], chained(decisions=range(50), square=range(60), other=range(70))) == []
    wide = [CHAIN[0], NamedAttack("wide", Square(eps=0.2), chain="c"), NamedAttack("any", Boundary(), chain="c")]
    assert compare_rows(wide, chained(gradient=range(3), wide=range(40), any=range(60))) == []
    apart = [CHAIN[0], NamedAttack("square", Square(eps=0.1), chain="d")]
    assert compare_rows(apart, chained(gradient=(0,), square=range(50))) == []


def test_images_of_an_adversary_who_knows_less_are_flagged_in_a_chain_too():
    attacks = [CHAIN[0], NamedAttack("gray", PGD(eps=0.1), GrayBox(), chain="c")]
    (finding,) = compare_rows(attacks, chained(gradient=(0, 1), gray=range(2, 30)))
    assert (finding.flag, finding.adversary, finding.raised) == ("transfer_stronger", "gray box", True)
    assert finding.sentence.startswith("gray brings down 28 of 99 samples that gradient had left standing: ")
    assert compare_rows(attacks, chained(gradient=range(99), gray=())) == []  # it met nothing


def test_what_chance_explains_is_not_flagged():
    assert raised_sentences([WHITE, GRAY], white=range(40), gray=range(44)) == []  # 5 % of 99 samples
    single = NamedAttack("single", FGSM(eps=0.1))
    assert raised_sentences([WHITE, single], white=range(40), single=range(44)) == []
    assert len(raised_sentences([WHITE, single], white=range(40), single=range(46))) == 1


@pytest.mark.parametrize("gray", [PGD(eps=0.2), PGD(eps=0.1, norm="L2"), PGD(eps=0.1, norm="L2", relative=True)])
def test_attacks_of_other_budgets_are_not_compared(gray):
    assert raised_sentences([WHITE, NamedAttack("gray", gray, GrayBox())], white=(0,), gray=range(50)) == []


def test_the_probes_of_a_front_end_that_draws_walk_on_where_one_draw_was_fooled():
    model, data, cost = defended(frontend=Drawing).eval(), Samples21(), Cost()
    batch = Batch(data.images, data.labels, torch.arange(21))
    seen = _Seen(model, metered(model, cost), batch, "white box", SeenSigns(batch))
    with frozen_model(model):
        seen.standing(PGD(eps=0.02, steps=5, random_start=False, early_stop=True))
    assert cost.backwards == 5 * 21


def test_an_ensemble_with_a_black_box_inside_does_not_hide_that_black_boxes_are_stronger():
    attacks = [WHITE, NamedAttack("square", Square(eps=0.1)), NamedAttack("ensemble", AutoAttack(eps=0.1))]
    (sentence,) = raised_sentences(attacks, white=range(10), square=range(50), ensemble=range(60))
    assert sentence.startswith("at Linf 0.1 square fools 50 of 99 samples and white 10: gradients may be masked")
    inside = [Growing(AutoAttack(), sizes=[0.1]), AutoAttack(version="rand"), PGD()]
    assert [attack.by_gradient for attack in inside] == [False, True, True]


@pytest.mark.parametrize(
    ("black", "norm", "relative"),
    [
        (Boundary(eps=0.1), "L2", False),
        (ZOO(eps=0.1, relative=True), "L2", True),
        (HopSkipJump(eps="1/10", norm="Linf"), "Linf", False),
        (Square(eps=0.1, norm="L1"), "L1", False),
        (Rescaled(Square(eps=0.3), size=0.1, norm="L2"), "L2", False),
    ],
)
def test_every_attack_in_a_ball_is_compared_with_the_white_boxes_in_the_same_ball(black, norm, relative):
    attacks = [NamedAttack("white", PGD(eps=0.1, norm=norm, relative=relative)), NamedAttack("black", black)]
    (sentence,) = raised_sentences(attacks, white=range(10), black=range(50))
    assert f"at {norm} 0.1{' of the image' if relative else ''} black fools 50" in sentence


def test_smallest_perturbations_are_compared_sample_by_sample():
    attacks = [NamedAttack("white", DeepFool()), NamedAttack("black", Boundary())]
    (sentence,) = raised_sentences(attacks, {"white": 1.0, "black": 0.5}, white=range(99), black=range(30))
    assert sentence.startswith("black finds a smaller L2 perturbation than white on 30 of 99 samples: gradients may")
    assert raised_sentences(attacks, {"white": 1.0, "black": 0.95}, white=range(99), black=range(99)) == []
    assert len(raised_sentences(attacks, white=range(50), black=range(99))) == 1  # none is larger than any
    in_another_norm = [NamedAttack("white", DeepFool(norm="Linf")), attacks[1]]
    assert raised_sentences(in_another_norm, {"black": 0.5}, white=range(99), black=range(99)) == []


def test_noise_is_compared_with_the_attack_whose_size_it_has():
    noise = NamedAttack("noise", NoiseControl(PGD(eps=0.1)))
    (sentence,) = raised_sentences([WHITE, noise], white=range(40), noise=range(40))
    assert "no better than chance" in sentence
    assert raised_sentences([WHITE, noise], white=range(40), noise=range(39)) == []
    assert raised_sentences([WHITE, noise], white=(0,), noise=(1, 2)) == []  # nothing falls to speak of
    smallest = [NamedAttack("white", DeepFool()), NamedAttack("noise", NoiseControl(DeepFool()))]
    (sentence,) = raised_sentences(smallest, white=range(99), noise=range(50))
    assert sentence.startswith("noise fools with an L2 size no larger than white on 50 of 99 samples")


def test_an_attack_that_failed_is_not_compared():
    assert raised_sentences([WHITE, GRAY], gray=range(50)) == []
