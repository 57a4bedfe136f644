"""Training with the data on the device: what is drawn, stepped and counted."""

from functools import partial
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.gpu.systems import systems
from benchmarks.gpu.training.augmented import augmented, padded
from benchmarks.gpu.training.fitting import draws, epochs, one_cycle
from benchmarks.gpu.training.momentum_sgd import MomentumSGD
from benchmarks.gpu.training.objectives import AdversarialTraining, CrossEntropyInBFloat16
from benchmarks.gpu.training.training_step import TrainingData, TrainingStep
from sparsefront import DefendedClassifier
from sparsefront.classifiers import ResNet32
from sparsefront.frontends import Identity, TopT
from sparsefront.training.schedules import OneCycle
from tests.helpers.precision import in_single_precision

pytestmark = in_single_precision("trained in bfloat16 and float32")


def learnable(number=40, side=8):
    """Grey images, darker or lighter by their class, and their labels."""
    labels = torch.arange(number) % 2
    noise = torch.randint(0, 100, (number, 3, side, side))
    return TrainingData(padded((noise + 150 * labels[:, None, None, None]).byte()), labels)


def small_step(batch=8, side=8):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (side - 2) ** 2, 2)
    )
    optimizer = MomentumSGD(list(model.parameters()))

    def objective(images, labels):
        return F.cross_entropy(model(images), labels)

    return TrainingStep(model, objective, learnable(side=side), optimizer, batch)


def copies(tensors):
    return [tensor.detach().clone() for tensor in tensors]


def assert_same(some, others):
    for one, other in zip(some, others, strict=True):
        assert torch.equal(one, other)


def test_a_batch_is_cropped_and_flipped_as_image_by_image():
    images = torch.randint(0, 256, (5, 3, 6, 7)).byte()
    rows, flips = torch.tensor([4, 0, 4, 2]), torch.tensor([True, False, False, True])
    offsets = torch.tensor([[0, 8], [4, 4], [8, 0], [3, 5]])
    expected = []
    for row, (top, left), flip in zip(rows, offsets.tolist(), flips, strict=True):
        canvas = torch.zeros(3, 14, 15)
        canvas[:, 4:10, 4:11] = images[row] / 255
        crop = canvas[:, top : top + 6, left : left + 7]
        expected.append(crop.flip(2) if flip else crop)
    assert torch.equal(augmented(padded(images), rows, offsets, flips), torch.stack(expected))


def test_every_epoch_draws_anew_all_images_and_every_place_of_a_crop():
    order, offsets, flips = draws(2000, 3, torch.device("cpu"))
    assert torch.equal(order.sort().values, torch.arange(2000))
    assert offsets.unique().tolist() == list(range(9))
    assert 0.4 < flips.float().mean() < 0.6
    assert_same((order, offsets, flips), draws(2000, 3, torch.device("cpu")))
    assert not torch.equal(order, draws(2000, 4, torch.device("cpu"))[0])


def test_steps_are_those_of_torch():
    torch.manual_seed(0)
    ours = [torch.randn(3, 2, requires_grad=True), torch.randn(4, requires_grad=True)]
    theirs = [tensor.detach().clone().requires_grad_() for tensor in ours]
    optimizer, reference = MomentumSGD(ours), torch.optim.SGD(theirs, lr=0.3, momentum=0.9, weight_decay=5e-4)
    schedule, rate = OneCycle(reference, 6), one_cycle(0.3, 6)
    for number in range(6):
        optimizer.rate.fill_(rate(number))
        optimizer.step(torch.autograd.grad(sum(tensor.sin().sum() for tensor in ours), ours))
        reference.zero_grad()
        sum(tensor.sin().sum() for tensor in theirs).backward()
        reference.step()
        schedule.step()
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)


def test_the_loss_falls():
    found = [epoch.loss for epoch in epochs(small_step(), 1, 12, peak=0.05)]
    assert found[-1] < 0.3 * found[0]


def test_training_may_be_left_between_epochs():
    whole, parts = small_step(), small_step()
    list(epochs(whole, 1, 3, peak=0.05))
    next(epochs(parts, 1, 3, peak=0.05))
    list(epochs(parts, 2, 3, peak=0.05))
    assert_same(whole.state(), parts.state())


def test_a_loss_that_is_no_number_ends_it():
    step = small_step()
    with torch.no_grad():
        step.model[0].weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="in epoch 1: lower the peak rate"):
        next(epochs(step, 1, 3, peak=0.05))


@pytest.mark.parametrize("kind", ["graph", "compiled"])
def test_where_nothing_can_be_captured_it_steps_plainly_and_says_why(kind):
    step, plain = small_step(), small_step()
    before = copies(step.state())
    step.readied(kind)
    assert_same(step.state(), before)
    assert step.kind == "plain"
    assert step.refused == f"{kind}: RuntimeError: only a GPU captures graphs"
    for one in (step, plain):
        list(epochs(one, 1, 1, peak=0.05))
    assert_same(step.state(), plain.state())


def test_what_warms_up_is_taken_back(monkeypatch):
    step = small_step()
    before = copies(step.state())

    def failing():
        step.plainly()
        assert not torch.equal(step.state()[0], before[0])
        raise RuntimeError("no capture here")

    step.optimizer.rate.fill_(1.0)
    monkeypatch.setattr(step, "_captured", failing)
    step.readied("graph")
    assert_same(step.state(), before)


def test_operations_are_counted_and_leave_the_model_alone():
    """A convolution forward and by weights, not by images; a linear layer forward and by both."""
    step = small_step(batch=8)
    before = copies(step.state())
    assert step.flops() == 8 * (2 * 2 * 36 * 4 * 27 + 3 * 2 * 144 * 2)
    assert_same(step.state(), before)


class LooksAtValues(TorchDispatchMode):
    """Notes operations whose result, or its size, must be known to the CPU: none can be captured."""

    NAMES = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")

    def __init__(self, known):
        super().__init__()
        self.known, self.found = known, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.removeprefix("aten::")
        if name.startswith(self.NAMES) and not any(arg is self.known for arg in args):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["natural", "top_t", "pgd_at"])
def test_a_step_looks_at_no_value_so_that_it_can_be_captured(monkeypatch, name):
    """On a GPU, whose way of choosing the largest codes is taken; whether something is learned lies on the CPU."""
    on_a_gpu = import_module("sparsecode.largest_magnitudes")
    monkeypatch.setattr(on_a_gpu, "default_backend", lambda *_: "torch")
    system = systems(toy=True)[name]
    model = system.model().train()
    model.frontend.learned.fill_(True)
    optimizer = MomentumSGD([parameter for parameter in model.parameters() if parameter.requires_grad])
    step = TrainingStep(model, system.objective(model), learnable(side=32), optimizer, batch_size=4)
    with LooksAtValues(model.frontend.learned) as looks:
        step.plainly()
    assert looks.found == []
    with LooksAtValues(None) as looks:
        step.total.item()
    assert looks.found == ["_local_scalar_dense"]


def defended(frontend):
    torch.manual_seed(0)
    return DefendedClassifier(ResNet32, frontend, image_shape=(3, 16, 16), num_classes=3)


def test_the_loss_in_bfloat16_is_near_that_of_the_deployed_model():
    model = defended(partial(TopT, n_atoms=30, top_t=4, decoder="small", dictionary="dct")).eval()
    images, labels = torch.rand(6, 3, 16, 16), torch.arange(6) % 3
    expected = F.cross_entropy(model(images), labels)
    found = CrossEntropyInBFloat16(model)(images, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)
    gradients = torch.autograd.grad(found, list(model.parameters()))
    assert all(gradient.any() for gradient in gradients)


def test_adversarial_images_are_inside_the_ball_and_of_higher_loss():
    clean = CrossEntropyInBFloat16(defended(Identity).train())
    images, labels = torch.rand(6, 3, 16, 16), torch.arange(6) % 3
    buffers = copies(clean.model.buffers())
    found = AdversarialTraining(clean).attacked(images, labels)
    assert_same(clean.model.buffers(), buffers)
    assert clean.model.training
    assert not found.requires_grad
    assert 0 <= found.min() <= found.max() <= 1
    assert (found - images).abs().max() <= 8 / 255 + 1e-6
    clean.model.eval()
    assert clean(found, labels) > 1.02 * clean(images, labels)
