"""DeepFool: its step, its candidates, what it pays for, and foolbox."""

import foolbox
import pytest
import torch

from sparsefront.attacks import DeepFool, perturbation_norm


def linear(seed=0):
    weight = torch.randn(4, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    images = 0.3 + 0.4 * torch.rand(8, 3, 2, 2, dtype=torch.float64)
    model = lambda x: (x - 0.5).flatten(1) @ weight.T  # noqa: E731
    return weight, model, images, model(images).argmax(dim=1)


@pytest.mark.parametrize("norm", ["L2", "Linf"])
def test_on_a_linear_model_it_is_the_overshot_projection(norm):
    weight, model, images, labels = linear()
    gaps = model(images).gather(1, labels[:, None]) - model(images)
    slopes = weight[None] - weight[labels][:, None]
    lengths = slopes.norm(dim=2) if norm == "L2" else slopes.abs().sum(dim=2)
    nearest = (gaps / lengths).scatter(1, labels[:, None], torch.inf).argmin(dim=1)
    rows = torch.arange(8)
    gap, slope, length = gaps[rows, nearest][:, None], slopes[rows, nearest], lengths[rows, nearest][:, None]
    expected = gap / length**2 * slope if norm == "L2" else gap / length * slope.sign()
    found = DeepFool(norm=norm, overshoot=0.1)(model, images, labels)
    torch.testing.assert_close((found - images).flatten(1), 1.1 * expected)


@pytest.mark.parametrize(("norm", "eps"), [("L2", 4.0), ("Linf", 1.0)])
def test_black_and_white_pixels_that_take_off_a_part_of_each_step_do_not_keep_it_from_the_boundary(norm, eps):
    """On a linear model what is left of the way falls by the same share a step; within eps nothing else is tried."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(2, 64, generator=generator)
    images = torch.rand(12, 1, 8, 8, generator=generator).round()
    model = lambda x: x.flatten(1) @ weight.T  # noqa: E731
    labels = model(images).argmax(dim=1)
    found = DeepFool(norm=norm, eps=eps)(model, images, labels)
    assert (model(found).argmax(dim=1) != labels).all()


def test_only_candidate_classes_are_aimed_at():
    """The second most likely class is farther than the third."""
    weight, bias = torch.tensor([[1.0, 0.0], [0.5, 0.0], [0.0, 9.0]]).double(), torch.tensor([0.0, 0.2, 0.0]).double()
    images = torch.tensor([0.5, 0.04]).double().view(1, 1, 1, 2)
    model = lambda x: x.flatten(1) @ weight.T + bias  # noqa: E731
    assert model(images)[0].argsort(descending=True).tolist() == [0, 1, 2]
    labels = torch.tensor([0])
    predictions = [
        model(DeepFool(n_candidate_classes=count)(model, images, labels)).argmax().item() for count in (2, 3)
    ]
    assert predictions == [1, 2]


def test_a_sample_that_has_crossed_costs_no_more(conv_net):
    images = torch.rand(40, 2, 6, 6, dtype=torch.float64)
    labels, asked = conv_net(images).argmax(dim=1), []

    def counting(x):
        if torch.is_grad_enabled():
            asked.append(len(x))
        return conv_net(x)

    DeepFool()(counting, images, labels)
    assert asked[0] == 40
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] < 20


@pytest.mark.parametrize(("norm", "rival"), [("L2", "L2DeepFoolAttack"), ("Linf", "LinfDeepFoolAttack")])
def test_is_as_near_as_foolboxs(conv_net, norm, rival):
    images = torch.rand(60, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        labels = conv_net(images).argmax(dim=1)
    bounded = foolbox.PyTorchModel(conv_net, bounds=(0, 1), device="cpu")
    theirs = getattr(foolbox.attacks, rival)()(bounded, images, labels, epsilons=None)[1]
    found = DeepFool(norm=norm)(conv_net, images, labels)
    with torch.no_grad():
        assert (conv_net(found).argmax(dim=1) != labels).all()
    sizes, other = perturbation_norm(found - images, norm), perturbation_norm(theirs - images, norm)
    assert sizes.mean() <= 1.02 * other.mean()
    assert sizes.median() <= 1.02 * other.median()
