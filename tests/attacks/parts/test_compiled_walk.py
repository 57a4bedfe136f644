"""The compiled search beside the same one query by query."""

import pytest
import torch
from torch import nn

from sparsefront import DefendedClassifier
from sparsefront.attacks import APGD, MixedSearch, WhiteBox
from sparsefront.attacks.parts import compiled_walk, crossing
from sparsefront.attacks.parts.nearby import Nearby
from sparsefront.attacks.parts.squares import first_points
from sparsefront.classifiers import ConvNet
from sparsefront.common.changes import kernel, program
from sparsefront.frontends import Identity, TopT

EPS = 0.01


def defended(frontend, channels=2):
    torch.manual_seed(1)
    model = DefendedClassifier(
        lambda c, k: ConvNet(c, k, width=4, hidden=8), frontend, (channels, 13, 14), num_classes=4
    )
    if isinstance(model.frontend, TopT):
        atoms = torch.randn_like(model.frontend.dictionary)
        model.frontend.dictionary.copy_(atoms / atoms.norm(dim=0))
        model.frontend.learned.fill_(True)
    model = model.eval().requires_grad_(False).double()
    images = torch.rand(100, 2, 13, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model.classifier.head[-1].bias -= model(images).mean(dim=0)  # or all are of one class
    return model


def quantised(shape):
    return TopT(shape, n_atoms=12, patch_size=5, stride=2, top_t=3, decoder="small")


def searched(model, attack, batch, monkeypatch, compiled, resolution=2**20, **starts):
    """What an attack makes of a batch (images, labels, numbers), and how many images it asked about."""
    asked = []

    def meter(logits):
        return lambda points: asked.append(len(points)) or logits(points)

    with monkeypatch.context() as patched:
        # These networks' logits nearly cancel, so that more of their digits are rounding: no tie may hang on it.
        patched.setattr(compiled_walk, "RESOLUTION", resolution)
        patched.setattr(crossing, "RESOLUTION", resolution)
        if not compiled:
            patched.setattr(Nearby, "compiled", None)
        return attack(WhiteBox()(model, meter), *batch, **starts), sum(asked)


def batch_of(model, easy=6, hard=6):
    """Images near the decision boundary and far from it, their labels and numbers, and the runners-up."""
    images = torch.rand(300, 2, 13, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    lead, classes = model(images).topk(2)
    order = (lead[:, 0] - lead[:, 1]).argsort()
    chosen = torch.cat([order[:easy], order[len(order) - hard :]])
    labels, others = classes[chosen].T
    return (images[chosen], labels.contiguous(), chosen * 7 + 3), others.contiguous()


@pytest.mark.parametrize("logged", [0.9, 0.2], ids=["followed", "large changes asked about whole"])
@pytest.mark.parametrize("frontend", [Identity, quantised])
@pytest.mark.parametrize("targeted", [False, True])
def test_it_is_the_search_query_by_query(frontend, targeted, logged, monkeypatch):
    monkeypatch.setattr(program, "_LOGGED", logged)
    model = defended(frontend)
    (images, labels, numbers), others = batch_of(model)
    goal = others if targeted else labels
    attack = MixedSearch(eps=EPS, n_queries=700, patience=80, n_walks=2, targeted=targeted, seed=5)
    made, asked = searched(model, attack, (images, goal, numbers), monkeypatch, True)
    expected, counted = searched(model, attack, (images, goal, numbers), monkeypatch, False)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)
    assert asked == counted
    fallen = (model(made).argmax(dim=1) == goal) == targeted
    assert 0 < fallen.sum() < len(images)


def test_from_given_points_it_ends_where_the_search_query_by_query_does(monkeypatch):
    model = defended(quantised)
    batch, _ = batch_of(model)
    attack = MixedSearch(eps=EPS, n_queries=4400, patience=150, n_walks=1, seed=2)
    starts = first_points(batch[0], torch.full((12,), EPS).double(), "Linf", batch[2], seed=9, stream=9)
    made, asked = searched(model, attack, batch, monkeypatch, True, starts=starts)
    expected, counted = searched(model, attack, batch, monkeypatch, False, starts=starts)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)
    assert asked == counted


def test_where_gradients_led_to_the_top_it_ends_after_the_trial(monkeypatch):
    model = defended(Identity)
    batch, _ = batch_of(model, easy=0, hard=4)
    top = APGD(eps=EPS / 10, loss="cw")(WhiteBox()(model), *batch)
    attack = MixedSearch(eps=EPS / 10, n_queries=4000, n_walks=1)
    made, asked = searched(model, attack, batch, monkeypatch, True, starts=top)
    expected, counted = searched(model, attack, batch, monkeypatch, False, starts=top)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)
    assert asked == counted < 4 * 120


def test_many_ties_do_not_lower_what_the_next_is_compared_with(monkeypatch):
    model = defended(Identity)
    batch, _ = batch_of(model)
    attack = MixedSearch(eps=EPS / 4, n_queries=300, patience=300, n_walks=1)
    made, _ = searched(model, attack, batch, monkeypatch, True, resolution=2**44)
    expected, _ = searched(model, attack, batch, monkeypatch, False, resolution=2**44)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)


def test_what_becomes_of_a_sample_depends_on_no_other(monkeypatch):
    model = defended(quantised)
    batch, _ = batch_of(model)
    attack = MixedSearch(eps=EPS, n_queries=300, n_walks=2)
    together, _ = searched(model, attack, batch, monkeypatch, True)
    for rows in (slice(0, 1), slice(4, 9)):
        alone, _ = searched(model, attack, tuple(part[rows] for part in batch), monkeypatch, True)
        torch.testing.assert_close(alone, together[rows], rtol=0, atol=0)


class Linear(nn.Sequential):
    """Follows changes from the image on."""

    def change_layers(self):
        return list(self)


def test_logits_that_are_not_finite_are_refused_on_the_way(monkeypatch):
    monkeypatch.setattr(program, "_LOGGED", 1)  # of so small a network any change is large
    images, numbers = torch.full((1, 2, 13, 14), 0.5, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    start = first_points(images, torch.full((1,), 0.15).double(), "Linf", numbers, seed=0, stream=0)
    low = (start[0, 0, 0] < 0.5).nonzero()[0]
    network = Linear(nn.Flatten(), nn.Linear(2 * 13 * 14, 2), nn.ReLU(), nn.Linear(2, 2)).double()
    for parameter in network.parameters():
        parameter.data.zero_()
    network[1].weight.data.view(2, 2, 13, 14)[:, 0, 10, low] = 1e300
    network[1].bias.data.fill_(-0.55e300)  # silent until this pixel is raised
    network[3].weight.data[0] = torch.tensor([1e300, -1e300], dtype=torch.float64)  # NaN of the label, which is no fall
    network[3].bias.data[0] = 1.0
    model = DefendedClassifier(lambda c, k: network, Identity, (2, 13, 14), num_classes=2).eval().requires_grad_(False)
    assert WhiteBox()(model).nearby(start) is not None
    with pytest.raises(ValueError, match="must return finite logits"):
        MixedSearch(eps=0.15, n_queries=400, n_walks=1)(WhiteBox()(model), images, numbers, numbers)


def test_a_model_that_hands_out_flattened_maps_is_searched_query_by_query():
    convolution = Linear(nn.Conv2d(2, 2, (13, 13)), nn.Flatten())
    model = DefendedClassifier(lambda c, k: convolution, Identity, (2, 13, 14), num_classes=4)
    model = model.eval().requires_grad_(False).double()
    images = batch_of(model)[0][0]
    near = Nearby(WhiteBox()(model), images, 1, True)
    assert near._answers is not None
    assert near.compiled is None


def test_a_point_that_the_model_itself_does_not_find_wrong_is_no_end(monkeypatch):
    """What is followed says that a sample fell, and the model that it did not, and is lower there."""
    model = defended(quantised)
    batch, _ = batch_of(model)

    attack = MixedSearch(eps=EPS, n_queries=300, patience=300, n_walks=1)
    images, labels, numbers = batch
    start = first_points(images, torch.full((len(images),), EPS).double(), "Linf", numbers, seed=0, stream=0)
    fell = model(attack(WhiteBox()(model), *batch)).argmax(dim=1) != labels
    row = (fell & (model(start).argmax(dim=1) == labels)).nonzero()[0]
    one = tuple(part[row] for part in batch)

    def stubborn(self, points):
        return torch.nn.functional.one_hot(one[1].expand(len(points)), 4).double() * 1e3

    monkeypatch.setattr(Nearby, "ask_whole", stubborn)
    made, asked = searched(model, attack, one, monkeypatch, True)
    expected, _ = searched(model, attack, one, monkeypatch, False)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)
    assert asked > 200


def test_it_is_the_same_on_two_threads_in_single_precision(monkeypatch):
    model = defended(quantised).float()
    images, labels, numbers = batch_of(model.double())[0]
    batch = images.float(), labels, numbers
    attack = MixedSearch(eps=EPS, n_queries=200, n_walks=2)
    made = {}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made[threads] = searched(model.float(), attack, batch, monkeypatch, True)[0]
    torch.set_num_threads(1)
    torch.testing.assert_close(made[2], made[1], rtol=0, atol=0)


def test_an_error_on_the_way_ends_the_search(monkeypatch):
    model = defended(quantised)
    batch, _ = batch_of(model)

    def broken(*settings):
        raise MemoryError("none left")

    monkeypatch.setattr(kernel, "search_changes", broken)
    with pytest.raises(MemoryError, match="none left"):
        searched(model, MixedSearch(eps=EPS, n_queries=20), batch, monkeypatch, True)
