"""The boundary attack: its proposals, its step sizes, and how near it gets."""

import copy

import pytest
import torch

from sparsefront.attacks import Boundary, perturbation_norm
from sparsefront.attacks.boundary import CHECK, WINDOW, _RandomWalk
from tests.helpers.precision import DTYPE


def walk_of(clean, near, sideways, inwards):
    """A walk of all samples, with no moves counted yet."""
    rows, labels = torch.arange(len(clean)), torch.zeros(len(clean), dtype=torch.int64)
    return _RandomWalk(rows, clean, near, labels, rows, sideways, inwards, torch.zeros(len(clean), 4).long())


def one_sample(sideways, inwards):
    """A walk of one sample with these lengths."""
    image = torch.zeros(1, 1, 2, 2)
    return walk_of(image, image, torch.tensor([sideways]), torch.tensor([inwards]))


def test_proposals_lie_on_the_sphere_and_a_share_nearer():
    images = torch.full((3, 1, 4, 4), 0.5, dtype=torch.float64)
    near = images + 0.1 * torch.randn(3, 1, 4, 4, dtype=torch.float64).clamp(-2, 2)
    sideways, inwards = torch.tensor([0.01, 0.3, 0.1]).double(), torch.tensor([0.1, 0.01, 0.5]).double()
    around, closer = Boundary()._propose(walk_of(images, near, sideways, inwards), 0)
    distance = perturbation_norm(near - images, "L2")
    torch.testing.assert_close(perturbation_norm(around - images, "L2"), distance)
    torch.testing.assert_close(perturbation_norm(closer - images, "L2"), (1 - inwards) * distance)
    # The sideways move is orthogonal to the way inwards before it is brought back to the sphere.
    cosine = ((around - images) * (near - images)).flatten(1).sum(dim=1) / distance**2
    torch.testing.assert_close(cosine, 1 / (1 + sideways**2).sqrt())


@pytest.mark.parametrize(
    ("stay", "fall", "sideways", "inwards"),
    [
        (0.8, 0.15, 1.5, 1.5),  # sideways moves succeed too often: both lengths grow
        (0.0, 0.0, 1 / 1.5, 1 / 1.5),
        (0.4, 0.15, 1.0, 1.0),
    ],
)
def test_lengths_adapt_to_how_often_sideways_moves_succeed(stay, fall, sideways, inwards):
    walk = one_sample(0.01, 0.02)
    for turn in range(WINDOW):
        walk.adapt(torch.tensor([turn < stay * WINDOW]), torch.tensor([turn < fall * stay * WINDOW]))
    torch.testing.assert_close(walk.sideways, torch.tensor([0.01 * sideways]))
    torch.testing.assert_close(walk.inwards, torch.tensor([0.02 * inwards]))
    assert walk.tries[0, :2].tolist() == [0, 0]


@pytest.mark.parametrize(("fall", "inwards"), [(0.5, 1.5), (0.05, 1 / 1.5), (0.2, 1.0)])
def test_inward_lengths_adapt_to_how_often_they_succeed_after_a_sideways_move_did(fall, inwards):
    """Each fifth of the sideways moves succeed twice, so their own rate (0.4) changes nothing."""
    walk, fallen, stayed = one_sample(0.01, 0.02), 0, 0
    for turn in range(WINDOW * 5 // 2):
        stays = turn % 5 < 2
        falls = stays and stayed < round(fall * WINDOW)
        stayed += stays
        fallen += falls
        walk.adapt(torch.tensor([stays]), torch.tensor([falls]))
    torch.testing.assert_close(walk.sideways, torch.tensor([0.01]))
    torch.testing.assert_close(walk.inwards, torch.tensor([0.02 * inwards]))


def test_on_a_linear_model_it_nears_the_distance_to_the_boundary():
    weight = torch.randn(16, dtype=torch.float64)
    weight = weight / weight.norm()

    def model(images):
        side = (images - 0.5).flatten(1) @ weight
        return torch.stack([-side, side], dim=1)

    images = 0.45 + 0.1 * torch.rand(6, 1, 4, 4, dtype=torch.float64)
    labels, others = model(images).argmax(dim=1), torch.rand(40, 1, 4, 4, dtype=torch.float64)
    found = Boundary(steps=1500).fitted(model, others, model(others).argmax(dim=1))(model, images, labels)
    closest = ((images - 0.5).flatten(1) @ weight).abs()
    assert (perturbation_norm(found - images, "L2") >= closest * (1 - 1e-9)).all()
    assert perturbation_norm(found - images, "L2").mean() <= 1.05 * closest.mean()


def test_a_converged_sample_is_asked_about_no_more():
    """One pixel: no sideways move exists, so the inward steps shrink until the sample is done."""
    asked = []

    def model(images):
        asked.append(len(images))
        value = images.flatten(1)[:, 0].double()
        return torch.stack([0.7 - value, value - 0.7], dim=1)

    images = torch.tensor([0.2, 0.699]).view(2, 1, 1, 1).double()
    found = Boundary(start="noise", steps=1000, convergence=1e-3)(model, images, torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(found.flatten(), torch.full((2,), 0.7).double(), atol=1e-3, rtol=0)
    assert len(asked) < 1000


def test_every_third_step_asks_twice(conv_net, batch):
    asked = []

    def spy(images):
        asked.append(len(images))
        return conv_net(images)

    images, labels = batch[0][:1], batch[1][:1]
    counts = []
    for steps in (9, 9 + 4 * CHECK):
        asked.clear()
        Boundary(start="noise", steps=steps)(spy, images, labels)
        counts.append(sum(asked))
    assert counts[1] - counts[0] == 4 * CHECK + 4


def test_as_near_as_foolboxs_after_as_many_queries(conv_net):
    foolbox = pytest.importorskip("foolbox")
    images, others = (torch.rand(n, 2, 6, 6) for n in (40, 100))
    net = copy.deepcopy(conv_net).to(DTYPE)
    with torch.no_grad():
        labels, other_labels = net(images).argmax(dim=1), net(others).argmax(dim=1)
    attack = Boundary(steps=500).fitted(net, others, other_labels)
    found = attack(net, images, labels)
    start, _ = attack._starts(net, images, labels, torch.arange(40))
    oracle = foolbox.attacks.BoundaryAttack(steps=600, init_attack=None)  # asks twice every tenth step
    theirs = oracle.run(foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu"), images, labels, starting_points=start)
    with torch.no_grad():
        assert (net(found).argmax(dim=1) != labels).all()
    assert perturbation_norm(found - images, "L2").mean() <= 1.02 * perturbation_norm(theirs - images, "L2").mean()
