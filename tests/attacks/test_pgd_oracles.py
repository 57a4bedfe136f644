"""PGD against linear programming and against what its starts alone decide."""

import torch
from scipy.optimize import linprog
from torch import nn

from sparsefront.attacks import PGD
from sparsefront.common.noise import uniform

SHAPE = (1, 3, 3)


def linear(n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(n_classes, 9, generator=generator, dtype=torch.float64)
    return weight, lambda images: images.flatten(1).to(weight.dtype) @ weight.T


def inside(n=6, seed=1):
    """Images far enough from 0 and 1 that the box never binds."""
    return 0.3 + 0.4 * torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def best_margin_in_l1(images, towards, eps):
    """Largest <towards, x> over the L1 ball and the box, by linear programming over x = x0 + p - q."""
    values = []
    for image, direction in zip(images.flatten(1).numpy(), towards.numpy(), strict=True):
        bounds = [(0, 1 - pixel) for pixel in image] + [(0, pixel) for pixel in image]
        cost = [*-direction, *direction]
        values.append(-linprog(cost, A_ub=[[1.0] * 18], b_ub=[eps], bounds=bounds).fun)
    return torch.tensor(values, dtype=torch.float64)


def test_l1_pgd_comes_near_the_linear_programs_optimum():
    weight, model = linear()
    images, labels = inside(), torch.tensor([0, 1, 0, 1, 0, 1])
    towards = weight[1 - labels] - weight[labels]
    found = PGD(eps=0.5, norm="L1", steps=300, step_size=0.01, l1_sparsity=0.12)(model, images, labels)
    gained = ((found - images).flatten(1) * towards).sum(dim=1)
    assert (gained >= 0.98 * best_margin_in_l1(images, towards, 0.5)).all()


def test_each_sample_keeps_the_restart_that_fooled_it():
    """One step too small to matter: only starts decide. The first pixel's start must exceed 0.55 to fool."""

    def model(images):
        first = images[:, 0, 0, 0]
        return torch.stack([0.55 - first, first - 0.55], dim=1)

    images, labels = torch.full((40, 1, 1, 1), 0.5), torch.zeros(40, dtype=torch.int64)
    rates = []
    for n_restarts in (1, 2, 6):
        attack = PGD(eps=0.1, steps=1, step_size=1e-9, n_restarts=n_restarts)
        fooled = model(attack(model, images, labels)).argmax(dim=1) == 1
        if rates:
            assert (fooled | ~rates[-1]).all()  # what fell to fewer restarts falls to more
        rates.append(fooled)
    first = uniform(torch.arange(40), torch.Size([1, 1, 1]), seed=0, stream=0).flatten()
    assert torch.equal(rates[0], first > 0.75)
    assert rates[2].sum() > rates[1].sum() > rates[0].sum()


def test_a_sample_that_has_fallen_costs_no_more_forwards():
    torch.manual_seed(1)
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(9, 5)), torch.rand(6, *SHAPE)
    seen = []

    def counting(images):
        seen.append(len(images))
        return model(images)

    with torch.no_grad():
        labels = (model(images).argmax(dim=1) + 1) % 5  # all wrong from the start
    PGD(eps=0.0, steps=10, n_restarts=5, early_stop=True)(counting, images, labels)
    assert seen == [6, 6]  # one step's forward and the scoring
