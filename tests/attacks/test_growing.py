import pytest
import torch

from sparsefront.attacks import APGD, JSMA, PGD, DeepFool, GrayBox, Growing, NamedAttack, Square, perturbation_norm


def linear(images):
    """A margin of 0.5 - mean pixel: an Linf perturbation of that size takes the sample to the boundary."""
    margin = 0.5 - images.mean((1, 2, 3))
    return torch.stack([margin, -margin], dim=1)


LEVELS = [0.495, 0.47, 0.40, 0.30]  # margins of 0.005, 0.03, 0.1 and 0.2
IMAGES = torch.tensor(LEVELS).view(4, 1, 1, 1).expand(4, 1, 4, 4).contiguous()
LABELS = torch.zeros(4, dtype=torch.long)
ATTACK = PGD(steps=3, step_size=1.0, random_start=False, early_stop=True)


def test_each_sample_falls_in_the_smallest_ball_that_reaches_its_boundary():
    found = Growing(ATTACK, sizes=[0.01, 0.05, 0.15])(linear, IMAGES, LABELS)
    torch.testing.assert_close(perturbation_norm(found - IMAGES, "Linf"), torch.tensor([0.01, 0.05, 0.15, 0.15]))
    assert (linear(found).argmax(dim=1) != LABELS).tolist() == [True, True, True, False]


def test_samples_that_fell_are_not_tried_again():
    seen = []

    def counting(images):
        seen.append(len(images))
        return linear(images)

    Growing(ATTACK, sizes=[0.01, 0.05, 0.15])(counting, IMAGES, LABELS)
    assert seen[0] == 4
    assert seen[-1] == 2


def test_the_largest_ball_alone_is_no_stronger(conv_net, batch):
    images, labels = batch
    attack = PGD(eps=0.2, steps=5, early_stop=True)
    grown = Growing(attack, sizes=[0.05, 0.1, 0.2])(conv_net, images, labels)
    standing = (conv_net(grown).argmax(dim=1) == labels).sum()
    assert standing <= (conv_net(attack(conv_net, images, labels)).argmax(dim=1) == labels).sum()


@pytest.mark.parametrize("sizes", [[], [0.1, 0.1], [0.2, 0.1], [-0.1, 0.1]])
def test_sizes_must_grow(sizes):
    with pytest.raises(ValueError, match="`sizes` must be"):
        Growing(ATTACK, sizes=sizes)


def test_an_attack_without_a_ball_is_refused():
    with pytest.raises(ValueError, match="must have an eps, found JSMA"):
        Growing(JSMA())


def test_only_the_deployed_model_says_which_samples_fell():
    with pytest.raises(ValueError, match=r"found Growing.* name the attack inside it once for every size"):
        NamedAttack("curve", Growing(ATTACK), GrayBox())


def test_the_other_attacks_adversary_is_named():
    assert Growing(DeepFool()).knowledge is None
    assert Growing(Square()).knowledge == "black_box"


def test_starts_are_begun_from_in_every_ball():
    asked = []

    def spy(images):
        asked.append(images.detach())
        return linear(images)

    attack = Growing(APGD(steps=1, early_stop=True), sizes=[0.01, 0.02])
    starts = IMAGES[3:] + 0.02 * torch.tensor([[1.0, -1.0]]).repeat(1, 8).view(1, 1, 4, 4)
    attack(spy, IMAGES[3:], LABELS[3:], starts=starts)
    smaller, larger = asked[0], asked[3]  # the start, a step, and the judgement of what came of it
    torch.testing.assert_close(smaller, (IMAGES[3:] + starts) / 2)
    torch.testing.assert_close(larger, starts)
    assert attack.begins_from_starts
    assert not Growing(ATTACK).begins_from_starts
