"""Attacks on other people's models: neither side leaves a trace on the other."""

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sparsefront.attacks import (
    FAB,
    FGSM,
    FMN,
    PGD,
    Attack,
    Boundary,
    CarliniWagner,
    DeepFool,
    HopSkipJump,
    Neighbourhood,
    Square,
    UniversalPerturbation,
)
from sparsefront.attacks.parts.differentiation import value_and_gradient
from sparsefront.common.logits import logits_of
from tests.attacks.test_attack_contract import EVERY, ShortAutoAttack

IMAGES = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 1, 2, 3])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.inner, self.outer = nn.Linear(16, 12), nn.Linear(12, 5)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float32))

    def forward(self, x):
        return self.outer(torch.tanh(self.inner((0.5 * x + 0.1).flatten(1))))


class Multiplying(Net):
    def forward(self, x):
        x.mul_(0.5).add_(0.1)
        return self.outer(torch.tanh(self.inner(x.flatten(1))))


class Subtracting(Net):
    def forward(self, x):
        x *= 0.5
        x -= -0.1
        return self.outer(torch.tanh(self.inner(x.flatten(1))))


class Relu(Net):
    """As its first step."""

    in_place = False

    def forward(self, x):
        if not self.in_place:
            return super().forward(F.relu(x - 0.2))
        x -= 0.2
        return super().forward(F.relu(x, inplace=True))


class ReluInPlace(Relu):
    in_place = True


class Filling(Net):
    """Overwrites its input when it is done."""

    def forward(self, x):
        logits = super().forward(x)
        if not torch.is_grad_enabled():  # autograd would refuse to differentiate through it
            x.fill_(9)
        return logits


class OneMemory(Net):
    """Writes all its answers, of one size, to the same place, where no gradient is asked for."""

    def __init__(self):
        super().__init__()
        self.memory = {}

    def forward(self, x):
        logits = super().forward(x)
        if torch.is_grad_enabled():
            return logits
        return self.memory.setdefault(len(x), torch.empty_like(logits)).copy_(logits)


@pytest.fixture(scope="module")
def on_a_net_that_writes_nothing():
    """`(attack, net)`: the adversarial images, made once for all nets that have the same value."""
    made = {}

    def adversarial(attack, net):
        if (id(attack), net) not in made:
            made[id(attack), net] = attack(net(), IMAGES.clone(), LABELS)
        return made[id(attack), net]

    return adversarial


@pytest.mark.parametrize(
    "kind", [Multiplying, Subtracting, ReluInPlace, Filling, OneMemory], ids=lambda kind: kind.__name__
)
@EVERY
def test_a_model_that_writes_where_it_likes_is_attacked_as_one_that_does_not(
    attack, kind, on_a_net_that_writes_nothing
):
    images = IMAGES.clone()
    expected = on_a_net_that_writes_nothing(attack, Relu if kind is ReluInPlace else Net)
    assert torch.equal(attack(kind(), images, LABELS), expected)
    assert torch.equal(images, IMAGES)


def test_fitting_does_not_spoil_the_training_images():
    images = IMAGES.clone()
    labels = Net()(IMAGES).argmax(dim=1)
    settings = {"n_fitting_images": 4, "epochs": 2, "n_target_classes": 2}
    patterns = [
        UniversalPerturbation(eps=0.3, **settings).fitted(kind(), images, labels)(kind(), images, labels)
        for kind in (Net, Multiplying)
    ]
    assert torch.equal(*patterns)
    for attack in (Boundary(steps=5), HopSkipJump(steps=2, n_directions=5)):
        found = [attack.fitted(kind(), images, labels)(kind(), images, labels) for kind in (Net, Multiplying)]
        assert torch.equal(*found)
    assert torch.equal(images, IMAGES)


class Modes(Net):
    """Batch norm and dropout."""

    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(1), nn.Dropout(0.5)

    def forward(self, x):
        return super().forward(self.drop(self.norm(x)))


@dataclass(frozen=True)
class Asking(Attack):
    """Keeps how many modules were in training mode when the model was asked."""

    net: nn.Module

    def perturb(self, model, images, labels, indices):
        model(images)
        assert not any(module.training for module in self.net.modules())
        return images


CALLS = [
    lambda net: net,
    lambda net: lambda x: net(x),
    lambda net: nn.Sequential(net).forward,
    lambda net: lambda x: 2 * net(x) - net(1 - x),
    lambda net: net.__call__,
]


@pytest.mark.parametrize("call", CALLS)
def test_a_network_left_in_training_mode_is_attacked_as_deployed_and_put_back(call):
    net = Modes()
    net.norm.eval()  # a mixture, to be given back exactly
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    with pytest.warns(UserWarning, match="left in training mode.*Dropout.*evaluation mode.*call `.eval\\(\\)` first"):
        found = PGD(eps=0.1, steps=3)(call(net), IMAGES, LABELS)
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert torch.equal(found, PGD(eps=0.1, steps=3)(call(net.eval()), IMAGES, LABELS))
    with pytest.warns(UserWarning, match="left in training mode"):
        Asking(net.train())(call(net), IMAGES, LABELS)
    assert all(module.training for module in net.modules())


def test_modes_come_back_where_the_attack_fails():
    net = Modes()
    with pytest.warns(UserWarning, match="training mode"), pytest.raises(ValueError, match="`labels` must lie in"):
        FGSM()(net, IMAGES, LABELS + 3)
    assert all(module.training for module in net.modules())


def test_parts_chosen_to_stay_in_training_mode_do():
    """Monte-Carlo dropout in a network that is deployed."""
    net = Modes().eval()
    net.drop.train()
    met = []
    net.drop.register_forward_hook(lambda module, inputs, output: met.append(module.training))
    FGSM()(net, IMAGES, LABELS)
    assert met
    assert all(met)


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("attack", [FGSM(eps=0.1), PGD(eps=0.1, steps=3), Square(eps=0.1, n_queries=5)])
@pytest.mark.parametrize("call", CALLS)
def test_statistics_of_a_part_left_in_training_mode_do_not_move(call, attack, momentum):
    net = Modes().eval()
    net.norm.momentum = momentum
    net.norm.train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    places = {name: tensor.data_ptr() for name, tensor in net.named_buffers()}
    with pytest.warns(UserWarning, match="BatchNorm2d, was left in training mode.*running statistics are put back"):
        attack(call(net), IMAGES, LABELS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert {name: tensor.data_ptr() for name, tensor in net.named_buffers()} == places
    assert net.norm.training
    assert not net.training


def test_statistics_come_back_where_the_attack_fails():
    net = Modes().eval()
    net.norm.train()
    with pytest.warns(UserWarning, match="left in training mode"), pytest.raises(ValueError, match="`labels` must lie"):
        FGSM()(net, IMAGES, LABELS + 3)
    assert torch.equal(net.norm.running_mean, torch.zeros(1))
    assert net.norm.num_batches_tracked == 0


class Averaging(nn.Module):
    """A norm of somebody's own."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean()
        return x - self.mean


def test_buffers_of_other_parts_left_in_training_mode_come_back_too():
    averaging, net = Averaging(), Net()
    mean = averaging.mean
    whole = nn.Sequential(averaging, net).eval()
    averaging.train()
    FGSM()(whole, IMAGES, LABELS)
    assert averaging.mean is mean
    assert mean == 0


def test_a_network_that_minds_no_mode_is_attacked_without_a_word():
    assert FGSM()(Net(), IMAGES, LABELS).shape == IMAGES.shape


class Reentrant(Net):
    """Recomputes its layers in the backward pass, in the way that refuses `autograd.grad`."""

    def forward(self, x):
        hidden = checkpoint(self.inner, (0.5 * x + 0.1).flatten(1), use_reentrant=True)
        return checkpoint(lambda y: self.outer(torch.tanh(y)), hidden, use_reentrant=True)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize(
    "attack",
    [
        FGSM(eps=0.1),
        PGD(eps=0.1, steps=3),
        DeepFool(steps=4),
        CarliniWagner(steps=4, binary_search_steps=2),
        FMN(steps=4),
        FAB(steps=3),
        ShortAutoAttack(eps=0.1),
        Square(eps=0.1, n_queries=5),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_reentrant_checkpointing_is_differentiated_and_leaves_no_gradients(attack):
    net = Reentrant()
    net.inner.weight.grad = torch.ones_like(net.inner.weight)
    for model in (net, lambda x: net(x)):
        assert torch.equal(attack(model, IMAGES, LABELS), attack(Net(), IMAGES, LABELS))
    assert torch.equal(net.inner.weight.grad, torch.ones_like(net.inner.weight))
    assert all(parameter.grad is None for parameter in (net.inner.bias, net.outer.weight, net.outer.bias))


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_smoothed_gradient_goes_through_reentrant_checkpointing():
    class Defended(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.frontend, self.classifier = nn.Identity(), net
            self.frontend.default_backward, self.frontend.stand_in = "exact", lambda backward: self.frontend

        def logits_from(self, seen):
            return self.classifier(seen)

    found = [
        value_and_gradient(Neighbourhood(n_samples=3)(Defended(net)), IMAGES, lambda z: z[:, 0], LABELS)
        for net in (Net().requires_grad_(False), Reentrant().requires_grad_(False))
    ]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


class Named(NamedTuple):
    logits: torch.Tensor
    features: torch.Tensor


@dataclass
class Record:
    features: torch.Tensor
    logits: torch.Tensor


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda z: {"features": z[:, :1], "logits": z},
        lambda z: {"out": z, "aux": -z},
        lambda z: Named(z, z[:, :1]),
        lambda z: Record(z[:, :1], z),
        lambda z: (z,),
        lambda z: [z],
    ],
)
def test_logits_among_several_outputs_are_found_where_it_is_clear(wrapped):
    net = Net()
    assert torch.equal(PGD(steps=2)(lambda x: wrapped(net(x)), IMAGES, LABELS), PGD(steps=2)(net, IMAGES, LABELS))


@pytest.mark.parametrize(
    ("wrapped", "told"),
    [
        (lambda z: (z, z[:, :1]), "tuple of Tensor, Tensor"),
        (lambda z: {"features": z}, "dict of features"),
        (lambda z: None, "NoneType"),
        (lambda z: (), "tuple of nothing"),
        (lambda z: z.detach().numpy(), "ndarray"),
    ],
)
def test_outputs_that_may_be_anything_are_refused_in_one_sentence(wrapped, told):
    net = Net()
    with pytest.raises(TypeError, match=f"`model` must return logits .B, K., one tensor, found {told}; return them"):
        FGSM()(lambda x: wrapped(net(x)), IMAGES, LABELS)
    with pytest.raises(TypeError, match=r"`model\.classifier` Odd must"):
        logits_of(wrapped(net(IMAGES)), "`model.classifier` Odd")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@EVERY
def test_a_model_of_half_precision_is_attacked_in_its_own(attack, dtype):
    net = Net().to(dtype)
    images = IMAGES.to(dtype)
    met = set()

    def model(x):
        met.add(x.dtype)
        return net(x)

    labels = net(images).argmax(dim=1)
    found = attack(model, images, labels)
    assert found.dtype == dtype
    assert found.isfinite().all()
    assert ((found >= 0) & (found <= 1)).all()
    assert met <= {dtype}


@pytest.mark.parametrize("attack", [Boundary(start="noise", steps=60), HopSkipJump(start="noise", steps=6)])
def test_decision_attacks_find_boundaries_of_half_precision_models(attack):
    images, labels = IMAGES.half(), Net().half()(IMAGES.half()).argmax(dim=1)
    found = attack(Net().half(), images, labels)
    expected = attack(Net(), IMAGES, labels)
    assert (Net().half()(found).argmax(dim=1) != labels).all()
    distances = [(a.float() - IMAGES).flatten(1).norm(dim=1) for a in (found, expected)]
    assert (distances[0] <= 1.5 * distances[1] + 0.02).all()
