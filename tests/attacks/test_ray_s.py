"""RayS: how near it gets, where its walks begin, and what they cost."""

import pytest
import torch

from sparsefront.attacks import APGDT, RayS, perturbation_norm
from tests.helpers.asked_model import AskedModel
from tests.helpers.planted import HIDING, PLAIN, network, right_digits, training_images

CORNER = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 3.0]], dtype=torch.float64)
OFFSETS = torch.tensor([0.0, -0.1, -0.3], dtype=torch.float64)


def linear():
    """Two classes with a random boundary through the middle of the box, and its normal."""
    weight = torch.randn(16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def model(images):
        side = (images - 0.5).flatten(1) @ weight
        return torch.stack([-side, side], dim=1)

    return model, weight


def three_classes(images):
    """Of two pixels: from gray, class 2 is the nearest where the second pixel rises, class 1 where the first does."""
    return (images.flatten(1) - 0.5) @ CORNER.T + OFFSETS


def test_on_a_linear_model_it_reaches_the_distance_to_the_boundary():
    model, weight = linear()
    images = 0.45 + 0.1 * torch.rand(8, 1, 4, 4, dtype=torch.float64)
    labels = model(images).argmax(dim=1)
    closest = ((images - 0.5).flatten(1) @ weight).abs() / weight.abs().sum()
    adversarial = RayS(start="noise", n_walks=1)(model, images, labels)
    sizes = perturbation_norm(adversarial - images, "Linf")
    assert (model(adversarial).argmax(dim=1) != labels).all()
    assert (sizes >= closest * (1 - 1e-9)).all()
    assert (sizes <= closest * 1.01).all()


def test_it_stops_within_eps_and_hands_back_nothing_larger():
    model, weight = linear()
    images = 0.45 + 0.1 * torch.rand(8, 1, 4, 4, dtype=torch.float64)
    labels = model(images).argmax(dim=1)
    closest = ((images - 0.5).flatten(1) @ weight).abs() / weight.abs().sum()
    eps = closest.median().item() * 1.02
    whole, stopping = AskedModel(model), AskedModel(model)
    RayS(start="noise", n_walks=2)(whole, images, labels)
    adversarial = RayS(start="noise", n_walks=2, eps=eps)(stopping, images, labels)
    fell = model(adversarial).argmax(dim=1) != labels
    assert torch.equal(fell, closest * 1.01 <= eps)
    assert (perturbation_norm(adversarial - images, "Linf") <= eps).all()
    assert torch.equal(adversarial[~fell], images[~fell])
    assert sum(map(len, stopping.asked)) < sum(map(len, whole.asked))


def test_the_first_walk_goes_along_the_points_that_it_is_given():
    image, label = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64), torch.tensor([0])
    spy = AskedModel(three_classes)
    starts = torch.tensor([0.6, 0.4], dtype=torch.float64).view(1, 1, 1, 2)
    RayS(start="noise", n_walks=1, n_queries=1)(spy, image, label, starts=starts)
    assert spy.asked[1].flatten().tolist() == [1, 0]


def test_further_walks_go_towards_the_nearest_image_of_one_label_after_the_other():
    images = torch.rand(6, 1, 2, 2)
    others, predictions = torch.rand(30, 1, 2, 2), torch.arange(30) % 4
    attack, labels = RayS(), torch.tensor([0, 1, 2, 3, 0, 1])
    distances = torch.cdist(images.flatten(1), others.flatten(1))
    for sample in range(6):
        least = {label: distances[sample][predictions == label].min().item() for label in range(4)}
        del least[labels[sample].item()]
        ranked = sorted(least, key=least.__getitem__)
        for rank, label in enumerate(ranked):
            nearest, served = attack._nearest(images, labels, others, predictions, rank)
            expected = others[distances[sample].masked_fill(predictions != label, torch.inf).argmin()]
            assert served[sample]
            assert torch.equal(nearest[sample], expected)
    assert not attack._nearest(images, labels, others, predictions, 3)[1].any()


def test_a_walk_ends_where_no_flip_helps():
    model, _ = linear()
    images = torch.full((1, 1, 4, 4), 0.45, dtype=torch.float64)
    spy = AskedModel(model)
    RayS(start="noise", n_walks=1, n_queries=10**6)(spy, images, model(images).argmax(dim=1))
    assert len(spy.asked) < 500


@pytest.mark.slow
@pytest.mark.parametrize(("name", "eps"), [("mlp", 0.05), ("convnet", 0.1)])
def test_of_labels_alone_it_leaves_little_more_than_gradients_leave(name, eps):
    bare, model = (planted.around(network(name)) for planted in (PLAIN["bare"], HIDING["one_hot"]))
    batch = right_digits(bare, 100)
    by_gradient = APGDT(eps=eps, n_target_classes=9, early_stop=True)(bare, *batch)
    attack = RayS(eps=eps, n_walks=10).fitted(model, *training_images(1000))
    truth, standing = ((bare(made).argmax(dim=1) == batch.label).sum() for made in (by_gradient, attack(model, *batch)))
    assert standing <= truth + 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RayS(n_queries=0), "`n_queries` must be at least 1"),
        (lambda: RayS(n_walks=0), "`n_walks` must be at least 1"),
        (lambda: RayS(start="far"), "`start` must be one of nearest, noise"),
    ],
)
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
