"""What boundary attack and HopSkipJump share: starts, fitting, bounds."""

import copy

import pytest
import torch

from sparsefront.attacks import Boundary, HopSkipJump, Square, perturbation_norm
from sparsefront.attacks.parts.decision import TRIES
from tests.helpers.asked_model import AskedModel

WALKS = pytest.mark.parametrize(
    "kind", [lambda **s: Boundary(steps=30, **s), lambda **s: HopSkipJump(steps=2, n_directions=10, **s)]
)
ALL = pytest.mark.parametrize(
    "attack",
    [
        Boundary(steps=30),
        HopSkipJump(steps=2, n_directions=10),
        HopSkipJump(steps=2, n_directions=10, norm="Linf"),
    ],
    ids=["boundary", "hsj-L2", "hsj-Linf"],
)


def predictions(model, images):
    with torch.no_grad():
        return model(images).argmax(dim=1)


@pytest.fixture
def data(conv_net):
    images = torch.rand(20, 2, 6, 6, dtype=torch.float64)
    others = torch.rand(80, 2, 6, 6, dtype=torch.float64)
    return images, predictions(conv_net, images), others, predictions(conv_net, others)


@ALL
def test_every_sample_falls_and_ends_nearer_than_it_started(conv_net, data, attack):
    images, labels, others, other_labels = data
    found = attack.fitted(conv_net, others, other_labels)(conv_net, images, labels)
    assert (predictions(conv_net, found) != labels).all()
    distances = torch.cdist(images.flatten(1), others.flatten(1)).masked_fill(
        other_labels == labels[:, None], torch.inf
    )
    assert (perturbation_norm(found - images, "L2") < 0.9 * distances.amin(dim=1)).all()


@ALL
def test_each_sample_starts_at_its_nearest_image_of_another_label(conv_net, data, attack):
    images, labels, others, other_labels = data
    start, found = attack.fitted(conv_net, others, other_labels)._starts(conv_net, images, labels, torch.arange(20))
    assert found.all()
    for image, label, own in zip(images, labels, start, strict=True):
        allowed = others[other_labels != label]
        nearest = allowed[(allowed - image).flatten(1).norm(dim=1).argmin()]
        assert torch.equal(own, nearest)


@ALL
def test_the_models_own_labels_of_the_fitted_images_count(conv_net, data, attack):
    images, labels, others, _ = data
    nonsense = torch.zeros(80, dtype=torch.int64)
    start, found = attack.fitted(conv_net, others, nonsense)._starts(conv_net, images, labels, torch.arange(20))
    assert found.all()
    assert (predictions(conv_net, start) != labels).all()


@ALL
def test_fitting_returns_a_new_attack_and_leaves_the_old_one(conv_net, data, attack):
    _, _, others, other_labels = data
    fitted = attack.fitted(conv_net, others, other_labels)
    assert fitted == attack
    assert fitted is not attack
    assert attack._candidates is None
    assert attack.n_fitting_images == 1000
    others.zero_()  # the attack keeps what it was given
    assert fitted._candidates[0].abs().sum() > 0
    assert copy.deepcopy(fitted) == fitted


@WALKS
def test_an_unfitted_attack_says_so(kind, conv_net, data):
    with pytest.raises(ValueError, match=r"is nearest, but it holds no images to start from; call `fitted"):
        kind()(conv_net, *data[:2])


@WALKS
def test_noise_needs_no_fitting(kind, conv_net, data):
    attack = kind(start="noise")
    assert attack.n_fitting_images == 0
    found = attack(conv_net, *data[:2])
    assert (predictions(conv_net, found) != data[1]).all()


@WALKS
def test_where_no_fitted_image_serves_noise_does(kind, conv_net, data):
    images, labels, others, other_labels = data
    label = labels[0]
    own = other_labels == label  # images of one label serve no sample of that label
    attack = kind().fitted(conv_net, others[own], other_labels[own])
    start, found = attack._starts(conv_net, images, labels, torch.arange(20))
    mine = labels == label
    assert found.all()
    assert (predictions(conv_net, start) != labels).all()
    assert all(any(torch.equal(one, other) for other in others[own]) for one in start[~mine])
    assert not any(any(torch.equal(one, other) for other in others[own]) for one in start[mine])


@WALKS
def test_a_start_that_fools_no_more_is_replaced_by_noise(kind, conv_net, data):
    """As behind a randomised front end: a fitted image's label may be another one today."""
    images, labels, others, other_labels = data
    attack = kind().fitted(lambda x: conv_net(x).roll(1, dims=1), others, other_labels)
    start, found = attack._starts(conv_net, images, labels, torch.arange(20))
    assert found.all()
    assert (predictions(conv_net, start) != labels).all()


@WALKS
def test_a_model_that_nothing_fools_ends_the_search(kind):
    spy = AskedModel(lambda x: torch.stack([1 + x.flatten(1)[:, 0], 0 * x.flatten(1)[:, 0]], dim=1))
    images, labels = torch.rand(3, 1, 4, 4), torch.tensor([0, 1, 0])
    found = kind(start="noise")(spy, images, labels)
    assert torch.equal(found, images)  # the second is wrong already
    assert [len(part) for part in spy.asked] == [3] + TRIES * [2]


@WALKS
def test_samples_that_are_wrong_already_cost_one_query_and_stay(kind, conv_net, data):
    images, labels, others, other_labels = data
    spy = AskedModel(conv_net)
    attack = kind().fitted(conv_net, others, other_labels)
    found = attack(spy, images, (labels + 1) % 5)
    assert torch.equal(found, images)
    assert [len(part) for part in spy.asked] == [20]


@ALL
def test_nothing_larger_than_eps_is_returned(conv_net, data, attack):
    images, labels, others, other_labels = data
    settings = {"steps": attack.steps, "start": "nearest"}
    kind = type(attack)
    if kind is HopSkipJump:
        settings |= {"norm": attack.norm, "n_directions": 10}
    norm = getattr(attack, "norm", "L2")
    free = attack.fitted(conv_net, others, other_labels)(conv_net, images, labels)
    sizes = perturbation_norm(free - images, norm)
    eps = sizes.median().item()
    bounded = kind(**settings, eps=eps).fitted(conv_net, others, other_labels)(conv_net, images, labels)
    within = sizes <= eps
    assert 0 < within.sum() < 20
    assert torch.equal(bounded[within], free[within])
    assert torch.equal(bounded[~within], images[~within])


@ALL
def test_targeted_walks_keep_the_target(conv_net, data, attack):
    images, labels, others, other_labels = data
    settings = {"steps": attack.steps, "targeted": True}
    targeted = type(attack)(**settings).fitted(conv_net, others, other_labels)
    targets = (labels + 1) % 5
    found = targeted(conv_net, images, targets)
    assert (predictions(conv_net, found) == targets).all()


@ALL
def test_fitted_attacks_do_not_depend_on_batch_mates(conv_net, data, attack):
    images, labels, others, other_labels = data
    attack, indices = attack.fitted(conv_net, others, other_labels), torch.arange(20) * 7
    whole = attack(conv_net, images, labels, indices)
    rows = [3, 17, 0, 9]
    part = attack(conv_net, images[rows], labels[rows], indices[rows])
    torch.testing.assert_close(part, whole[rows], atol=1e-9, rtol=0)


@ALL
def test_constant_images_and_two_classes_work(attack):
    def model(images):
        mean = images.mean((1, 2, 3))
        return torch.stack([0.55 - mean, mean - 0.55], dim=1)

    images = torch.stack([torch.full((1, 4, 4), value) for value in (0.0, 0.5, 0.55, 1.0)])
    labels = torch.tensor([0, 0, 1, 0])  # the last is wrong, the third is on the boundary
    found = attack.fitted(model, torch.rand(20, 1, 4, 4), torch.zeros(20, dtype=torch.int64))(model, images, labels)
    assert found.isfinite().all()
    assert torch.equal(found[3], images[3])
    assert predictions(model, found)[:2].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Boundary(start="far"), "`start` must be one of nearest, noise"),
        (lambda: Boundary(n_fitting_images=0), "`n_fitting_images` must be at least 1"),
        (lambda: Boundary(eps=-1), "`eps` must be >= 0"),
        (lambda: Boundary(steps=0), "`steps` must be at least 1"),
        (lambda: Boundary(sideways=0.0), "`sideways` must be above 0 and below 1, found 0"),
        (lambda: Boundary(inwards=1.0), "`inwards` must be above 0 and below 1, found 1"),
        (lambda: HopSkipJump(norm="L1"), "`norm` must be one of L2, Linf"),
        (lambda: HopSkipJump(steps=0), "`steps` must be at least 1"),
        (lambda: HopSkipJump(n_directions=0), "`n_directions` must be at least 1"),
        (lambda: HopSkipJump(max_directions=0), "`max_directions` must be at least 1"),
        (lambda: HopSkipJump(gamma=0.0), "`gamma` must be positive and finite, found 0"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_attack_that_needs_no_fitting_is_itself_when_fitted(conv_net, data):
    attack = Square()
    assert attack.fitted(conv_net, *data[2:]) is attack
