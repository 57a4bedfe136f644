"""Coordinate-wise optimisation without gradients."""

import copy

import pytest
import torch

from sparsefront.attacks import ZOO, perturbation_norm

PAPERS = {"learning_rate": 0.01, "initial_const": 1.0}


def predictions(model, images):
    with torch.no_grad():
        return model(images).argmax(dim=1)


@pytest.fixture
def right(conv_net):
    images = torch.rand(6, 2, 6, 6, dtype=torch.float64)
    return images, predictions(conv_net, images)


def test_on_a_linear_model_it_nears_the_distance_to_the_boundary():
    weight = torch.randn(9, 2, dtype=torch.float64)
    images = 0.4 + 0.2 * torch.rand(6, 1, 3, 3, dtype=torch.float64)

    def model(images):
        return (images - 0.5).flatten(1) @ weight

    labels = predictions(model, images)
    gap = model(images)
    closest = (gap[:, 0] - gap[:, 1]).abs() / (weight[:, 0] - weight[:, 1]).norm()
    found = ZOO(steps=120, n_coordinates=9, search_steps=6, **PAPERS)(model, images, labels)
    assert (predictions(model, found) != labels).all()
    assert (perturbation_norm(found - images, "L2") <= 1.1 * closest + 1e-3).all()
    assert (perturbation_norm(found - images, "L2") >= closest * (1 - 1e-9)).all()


def test_slopes_are_those_of_the_margin(conv_net, right):
    images, labels = right
    point = images.clone().requires_grad_()
    logits = conv_net(point)
    own = logits.gather(1, labels[:, None]).squeeze(1)
    margin = logits.scatter(1, labels[:, None], -torch.inf).amax(dim=1) - own
    gradient = torch.autograd.grad(margin.sum(), point)[0].flatten(1)
    chosen = torch.arange(72).expand(6, -1)
    with torch.no_grad():
        slopes = ZOO()._slopes(conv_net, images.flatten(1), chosen, labels, images.shape[1:])
    torch.testing.assert_close(slopes, gradient, atol=1e-3, rtol=1e-3)


def test_queries_never_leave_the_box_and_move_one_pixel_each(right, conv_net):
    asked = []

    def spy(images):
        assert images.min() >= 0
        assert images.max() <= 1
        asked.append(images.clone())
        return conv_net(images)

    images, labels = right[0].round(), right[1]
    labels = predictions(conv_net, images)
    ZOO(steps=1, n_coordinates=5)(spy, images, labels)
    assert [len(part) for part in asked] == [6, 30, 30, 6]
    for part in asked[1:3]:
        moved = (part.view(6, 5, -1) != images.flatten(1)[:, None]).sum(dim=2)
        assert moved.max() == 1
    plus, minus = (part.view(6, 5, -1) - images.flatten(1)[:, None] for part in asked[1:3])
    assert ((plus != 0) | (minus != 0)).any(dim=2).all()  # at the border one of the two moves


def test_more_constants_make_perturbations_smaller(conv_net, right):
    images, labels = right
    sizes = []
    for search_steps in (1, 5):
        attack = ZOO(steps=40, n_coordinates=24, learning_rate=0.01, search_steps=search_steps)
        found = attack(conv_net, images, labels)
        assert (predictions(conv_net, found) != labels).all()
        sizes.append(perturbation_norm(found - images, "L2"))
    assert (sizes[1] <= sizes[0]).all()
    assert sizes[1].mean() < 0.95 * sizes[0].mean()


def test_few_steps_of_few_pixels_cross_the_boundary_by_default_and_not_at_the_papers_length():
    """Black and white images, as digits are: the box blocks half of the ways."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(784, generator=generator, dtype=torch.float64) / 4
    images = torch.rand(3, 1, 28, 28, generator=generator, dtype=torch.float64).round()
    offsets = images.flatten(1) @ weight + 8

    def model(points):  # by a lead of 8, where slopes are 1/4 a pixel
        lead = points.flatten(1) @ weight - offsets.repeat_interleave(len(points) // 3)
        return torch.stack([-lead / 2, lead / 2], dim=1)

    labels = torch.zeros(3, dtype=torch.int64)
    shares = []
    for settings in ({}, PAPERS):
        found = ZOO(steps=20, n_coordinates=128, **settings)(model, images, labels)
        shares.append((predictions(model, found) != labels).double().mean().item())
    assert shares == [1.0, 0.0]


def test_a_constant_that_is_too_small_grows(conv_net, right):
    images, labels = right
    shares = []
    for search_steps in (1, 6):
        settings = {"steps": 20, "n_coordinates": 72, "learning_rate": 0.01, "initial_const": 1e-4}
        found = ZOO(**settings, search_steps=search_steps)(conv_net, images, labels)
        shares.append((predictions(conv_net, found) != labels).double().mean())
    assert shares[0] <= 0.5
    assert shares[1] > 0.9


def test_nothing_larger_than_eps_is_returned(conv_net, right):
    images, labels = right
    settings = {"steps": 30, "n_coordinates": 24, "learning_rate": 0.01, "initial_const": 3.0}
    free = perturbation_norm(ZOO(**settings)(conv_net, images, labels) - images, "L2")
    eps = free.median().item()
    bounded = perturbation_norm(ZOO(**settings, eps=eps)(conv_net, images, labels) - images, "L2")
    torch.testing.assert_close(bounded, torch.where(free <= eps, free, 0))


def test_a_sample_that_is_wrong_already_costs_one_query(conv_net, batch):
    asked = []
    found = ZOO(steps=2)(lambda x: (asked.append(len(x)), conv_net(x))[1], batch[0][-1:], batch[1][-1:])
    assert asked == [1]
    assert torch.equal(found, batch[0][-1:])


@pytest.mark.slow
def test_as_near_as_arts(conv_net, right):
    art = pytest.importorskip("art.attacks.evasion")
    from art.estimators.classification import PyTorchClassifier

    images, labels = right[0][:5].float(), right[1][:5]
    net = copy.deepcopy(conv_net).float()
    found = ZOO(steps=25, n_coordinates=16, **PAPERS)(net, images, labels)
    classifier = PyTorchClassifier(
        net, loss=torch.nn.CrossEntropyLoss(), input_shape=(2, 6, 6), nb_classes=5, clip_values=(0, 1)
    )
    oracle = art.ZooAttack(
        classifier, max_iter=25, binary_search_steps=1, initial_const=1.0, nb_parallel=16, use_resize=False,
        use_importance=False, abort_early=False, learning_rate=1e-2, variable_h=1e-4, verbose=False,
    )  # fmt: skip
    theirs = torch.from_numpy(oracle.generate(images.numpy(), torch.nn.functional.one_hot(labels, 5).numpy()))
    fell, theirs_fell = (predictions(net, x) != labels for x in (found, theirs))
    assert (fell | ~theirs_fell).all()
    assert theirs_fell.any()
    both = theirs_fell
    assert (
        perturbation_norm(found - images, "L2")[both].mean()
        <= 1.02 * perturbation_norm(theirs - images, "L2")[both].mean()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1"),
        ({"n_coordinates": 0}, "`n_coordinates` must be at least 1"),
        ({"search_steps": 0}, "`search_steps` must be at least 1"),
        ({"learning_rate": 0.0}, "`learning_rate` must be positive and finite, found 0"),
        ({"initial_const": -1.0}, "`initial_const` must be positive and finite, found -1"),
        ({"difference": 0.0}, "`difference` must be positive and finite, found 0"),
        ({"confidence": -1.0}, "`confidence` must be >= 0 and finite, found -1"),
        ({"eps": "x"}, "`eps` must be a finite number or a fraction"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        ZOO(**settings)
