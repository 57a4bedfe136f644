"""How attacks treat samples, models and settings."""

import pytest
import torch
from scipy import stats
from torch import nn

from attacks import FGSM, PGD, GrayBox, NamedAttack, Transfer, WhiteBox
from attacks.losses import adversarial_loss, difference_of_logits_ratio, targeted_difference_of_logits_ratio
from attacks.noise import normal, uniform
from attacks.norms import random_point


@pytest.fixture
def model():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 5)).eval()


IMAGES = torch.rand(6, 1, 6, 6, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


@pytest.mark.parametrize("norm", ["Linf", "L2", "L1"])
@pytest.mark.parametrize("early_stop", [False, True])
def test_a_sample_fares_the_same_in_any_batch(model, norm, early_stop):
    attack = PGD(eps=0.2, norm=norm, steps=5, n_restarts=3, early_stop=early_stop)
    indices = torch.tensor([7, 3, 11, 5, 2, 13])
    whole = attack(model, IMAGES, LABELS, indices)
    order = [4, 0, 5]
    torch.testing.assert_close(attack(model, IMAGES[order], LABELS[order], indices[order]), whole[order])
    assert not torch.allclose(attack(model, IMAGES, LABELS, indices + 1), whole)


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


def test_early_stop_fools_whatever_the_last_iterate_fools(model):
    for norm, eps in (("Linf", 0.1), ("L2", 0.5), ("L1", 3.0)):
        fooled = {}
        for early_stop in (False, True):
            attack = PGD(eps=eps, norm=norm, steps=10, n_restarts=2, early_stop=early_stop)
            fooled[early_stop] = model(attack(model, IMAGES, LABELS)).argmax(dim=1) != LABELS
        assert (fooled[True] | ~fooled[False]).all()


def test_a_sample_that_has_fallen_costs_no_more_forwards(model):
    seen = []

    def counting(images):
        seen.append(len(images))
        return model(images)

    with torch.no_grad():
        labels = (model(IMAGES).argmax(dim=1) + 1) % 5  # all wrong from the start
    PGD(eps=0.0, steps=10, n_restarts=5, early_stop=True)(counting, IMAGES, labels)
    assert seen == [6, 6]  # one step's forward and the scoring


def test_a_targeted_attack_reaches_its_target_where_the_ball_is_everything(model):
    targets = torch.tensor([3, 3, 1, 1, 2, 4])
    for loss in ("ce", "cw", "dlr"):
        found = PGD(eps=1.0, steps=25, loss=loss, targeted=True)(model, IMAGES, targets)
        assert (model(found).argmax(dim=1) == targets).float().mean() >= 0.5


def test_an_attack_leaves_no_trace(model):
    model.train()
    model[0].eval()
    state, before = torch.get_rng_state(), [parameter.clone() for parameter in model.parameters()]
    images = IMAGES.clone()
    PGD(steps=2, n_restarts=2)(model.eval(), images, LABELS)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(images, IMAGES)
    assert not images.requires_grad


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_an_attack_works_where_gradients_are_off(model, context):
    expected = PGD(eps=0.1, steps=3)(model, IMAGES, LABELS)
    with context():
        found = PGD(eps=0.1, steps=3)(model, IMAGES + 0, LABELS + 0)
    torch.testing.assert_close(found, expected)


def test_noise_is_uniform_and_independent_across_samples_seeds_and_streams():
    shape, indices = torch.Size([1, 50, 50]), torch.arange(4)
    fields = [uniform(indices, shape, seed=seed, stream=stream) for seed in (0, 1) for stream in (0, 1, 2)]
    everything = torch.stack(fields).view(24, -1)
    assert everything.min() >= 0
    assert everything.max() < 1
    assert min(stats.kstest(row.numpy(), "uniform").pvalue for row in everything) > 1e-4
    correlations = torch.corrcoef(everything).fill_diagonal_(0)
    assert correlations.abs().max() < 5 / 50  # five standard deviations of 2,500 draws
    assert stats.kstest(normal(indices, shape, seed=0, stream=1).flatten().numpy(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("norm", ["L2", "L1"])
def test_random_starts_fill_the_ball(norm):
    indices, shape = torch.arange(4000), torch.Size([1, 1, 3])
    delta = random_point(
        normal(indices, shape, seed=0, stream=0).double(), uniform(indices, shape, seed=0, stream=0).double(), 2.0, norm
    )
    order = {"L2": 2, "L1": 1}[norm]
    radius = delta.flatten(1).norm(p=order, dim=1) / 2
    assert radius.max() <= 1 + 1e-9
    assert stats.kstest((radius**3).numpy(), "uniform").pvalue > 1e-3  # volume grows with the cube
    assert (delta.flatten(1).mean(dim=0).abs() < 0.06).all()


def test_losses_are_their_formulas():
    logits = torch.tensor([[3.0, 1.0, 2.0, -1.0]])
    label, target = torch.tensor([0]), torch.tensor([1])
    z = logits[0].tolist()
    assert adversarial_loss("cw", label, False)(logits).item() == z[2] - z[0]
    assert difference_of_logits_ratio(logits, label).item() == pytest.approx(-(z[0] - z[2]) / (z[0] - z[1]))
    # -(z_y - z_t) / (z_(1) - (z_(3) + z_(4)) / 2), Croce and Hein (2020), equation 7
    expected = -(z[0] - z[1]) / (z[0] - (z[1] + z[3]) / 2)
    assert targeted_difference_of_logits_ratio(logits, target).item() == pytest.approx(expected)
    ce = adversarial_loss("ce", label, False)(logits).item()
    assert ce == pytest.approx(-(torch.tensor(z).softmax(0)[0].log().item()))
    assert adversarial_loss("ce", label, True)(logits).item() == -ce


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PGD(eps=-0.1), "`eps` must be >= 0, found -0.1"),
        (lambda: PGD(eps="eight"), "`eps` must be a number or a fraction"),
        (lambda: FGSM(eps="-1/255"), "`eps` must be >= 0"),
        (lambda: PGD(steps=0), "`steps` must be at least 1"),
        (lambda: PGD(n_restarts=0), "`n_restarts` must be at least 1"),
        (lambda: PGD(step_size=0.0), "`step_size` must be positive"),
        (lambda: PGD(n_restarts=2, random_start=False), "`n_restarts` must be 1 without `random_start`"),
        (lambda: PGD(l1_sparsity=0.0), "`l1_sparsity` must lie in"),
        (lambda: NamedAttack("a b", PGD()), "`name` of an attack may hold"),
        (lambda: NamedAttack("a", PGD(early_stop=True), GrayBox()), "`early_stop` of attack 'a' must be false"),
        (lambda: Transfer("nowhere.ckpt")(None), "`checkpoint` of Transfer must name a checkpoint file"),
    ],
)
def test_a_setting_that_cannot_be_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("images", "labels", "model", "message"),
    [
        (IMAGES + 1, LABELS, None, r"`images` must be finite pixels in \[0, 1\]"),
        (IMAGES * torch.nan, LABELS, None, r"`images` must be finite pixels in \[0, 1\]"),
        (IMAGES[0], LABELS, None, r"`images` must be floating \(B, C, H, W\)"),
        (IMAGES, LABELS[:2], None, "`labels` must be int64"),
        (IMAGES, LABELS + 5, None, r"`labels` must lie in \[0, 5\)"),
        (IMAGES, LABELS, lambda x: x.flatten(1)[:, :5] * torch.nan, "`model` must return finite logits"),
        (IMAGES, LABELS, lambda x: (x.flatten(1)[:, :5] * 0).sqrt(), "gradient of `model` must be finite"),
        (IMAGES[:2], LABELS[:2], lambda x: x.flatten(1)[:, :2], "dlr needs at least 3 classes"),
    ],
)
def test_input_that_cannot_be_attacked_is_named(images, labels, model, message):
    torch.manual_seed(0)
    model = model or nn.Sequential(nn.Flatten(), nn.Linear(36, 5))
    with pytest.raises(ValueError, match=message):
        PGD(steps=2, loss="dlr" if "dlr" in message else "ce")(model, images, labels)


class FakeFrontEnd(nn.Module):
    default_backward = "double"
    returns_images = True

    def forward(self, images):
        return images.round()

    def stand_in(self, backward, scale=2.0):
        assert backward == "double"
        return lambda images: self(images).detach() + scale * (images - images.detach())


class FakeModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.frontend, self.classifier = FakeFrontEnd(), nn.Sequential(nn.Flatten(), nn.Linear(36, 5))

    def forward(self, images):
        return self.classifier(self.frontend(images))


def test_a_white_box_has_the_deployed_value_and_the_stand_ins_gradient():
    torch.manual_seed(0)
    model = FakeModel()
    for view, scale in ((WhiteBox(), 2.0), (WhiteBox("double", {"scale": 3.0}), 3.0)):
        images = IMAGES.clone().requires_grad_()
        logits = view(model)(images)
        assert torch.equal(logits, model(IMAGES))
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), images)
        torch.testing.assert_close(gradient.flatten(1), (scale * model.classifier[1].weight[0]).expand(6, -1))
    assert torch.equal(GrayBox()(model)(IMAGES), model.classifier(IMAGES))
    model.frontend.returns_images = False
    with pytest.raises(ValueError, match="needs a front end that returns images"):
        GrayBox()(model)


def test_targets_are_wrong_classes_and_random_ones_belong_to_the_sample():
    logits, labels = torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, -1.0]]), torch.tensor([0, 1])
    indices = torch.tensor([4, 9])
    assert NamedAttack("a", PGD()).targets(logits, labels, indices).tolist() == [2, 0]
    assert NamedAttack("a", PGD(), target="least_likely").targets(logits, labels, indices).tolist() == [1, 2]
    many = torch.arange(300)
    drawn = NamedAttack("a", PGD(), target="random").targets(torch.zeros(300, 3), many % 3, many)
    assert (drawn != many % 3).all()
    assert set(((drawn - many) % 3).tolist()) == {1, 2}
