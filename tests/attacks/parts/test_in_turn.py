from dataclasses import dataclass

import torch

from sparsefront.attacks import PGD, Attack
from sparsefront.attacks.parts.in_turn import attack_in_turn

IMAGES = torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1, 1)
LABELS = torch.zeros(3, dtype=torch.int64)


def model(images):
    """Class 1 from 0.5 on."""
    first = images.flatten(1)[:, 0] - 0.5
    return torch.stack([-first, first], dim=1)


@dataclass(frozen=True)
class Brighter(Attack):
    """Adds to every image, and writes down which samples it was given."""

    amount: float
    given: list

    def perturb(self, model, images, labels, indices):
        self.given.append(indices.tolist())
        return images + self.amount


def in_turn(attacks, targeted=False):
    return attack_in_turn(attacks, model, IMAGES, LABELS, torch.arange(7, 10), targeted=targeted).flatten()


def test_each_attack_meets_the_samples_that_those_before_it_left_standing():
    given = []
    found = in_turn([Brighter(0.25, given), Brighter(0.35, given), Brighter(0.05, given)])
    assert given == [[7, 8, 9], [7, 8], [7]]
    # What brought a sample down stays, and what stands all attacks is as the last one left it.
    torch.testing.assert_close(found, torch.tensor([0.15, 0.55, 0.55]))


def test_nobody_is_attacked_once_all_have_fallen():
    given = []
    in_turn([Brighter(0.45, given), Brighter(0.1, given)])
    assert given == [[7, 8, 9]]


def test_a_target_is_reached_rather_than_left():
    given = []
    assert in_turn([Brighter(0.25, given), Brighter(0.1, given)], targeted=True).shape == (3,)
    assert given == [[7, 8, 9], [9]]


def test_an_attack_whose_loss_needs_more_classes_is_left_out():
    given = []
    attacks = [Brighter(0.0, given), PGD(eps=1.0, loss="dlr"), Brighter(0.1, given)]
    torch.testing.assert_close(in_turn(attacks), IMAGES.flatten() + 0.1)
