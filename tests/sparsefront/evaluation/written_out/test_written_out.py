"""A network whose gradient in the images is written out: torch's own is the truth, in double precision."""

import gc
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx, nn
from torch.nn import functional as F

from sparsefront.classifiers import CIFARResNet, ConvNet, ResNet32, Timm
from sparsefront.evaluation.folding import _Tracer, folded
from sparsefront.evaluation.written_out.convolution import Convolution
from sparsefront.evaluation.written_out.local import Local
from sparsefront.evaluation.written_out.norm import Norm
from sparsefront.evaluation.written_out.written_out import WrittenOut

SHAPE = (3, 16, 16)


def seen_images(network):
    """The network in double precision and evaluation mode, whose batch norms have seen images and turn some signs."""
    network = network.double().train()
    for _ in range(3):
        network(torch.rand(8, *SHAPE, dtype=torch.float64))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval().requires_grad_(False)


def traced(network):
    """The folded form, or, where there is no norm to fold, the network as torch.fx follows it."""
    form = folded(network)
    return fx.GraphModule(network, _Tracer().trace(network)) if form is None else form


def both(network, images, weights):
    """Logits and gradients of the network by torch, and of its folded form written out."""
    written = WrittenOut.of(traced(network).to(memory_format=torch.channels_last))
    assert written is not None
    return [asked(one, images, weights) for one in (network, written)], written


def asked(network, images, weights):
    point = images.clone().requires_grad_()
    logits = network(point)
    return logits.detach(), torch.autograd.grad(logits, point, weights)[0]


def check(network, images=None):
    images = torch.rand(3, *SHAPE, dtype=torch.float64) if images is None else images
    weights = torch.randn(len(images), 10, dtype=torch.float64)
    (expected, found), written = both(network, images, weights)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(written(images), expected[0], rtol=1e-9, atol=1e-11)
    return written


@pytest.mark.parametrize(
    "build",
    [
        lambda: ResNet32(3, 10),
        lambda: CIFARResNet(3, 10, depth=14),
        lambda: ConvNet(3, 10),
        lambda: Timm(3, 10, "resnet18", cifar_stem=True),
        lambda: Timm(3, 10, "resnet26d"),
    ],
    ids=["ResNet32", "CIFARResNet", "ConvNet", "resnet18", "resnet26d"],
)
def test_logits_and_gradients_are_those_of_torch(build):
    check(seen_images(build()))


def convolution(draw):
    kernel, dilation = draw(1, 3, 5), draw(1, 2)
    padding = dilation * (kernel - 1) // 2 + draw(0, 1)  # no map becomes smaller than a kernel
    return nn.Conv2d(4, 4, kernel, draw(1, 2, 3), padding, dilation, draw(1, 1, 2), bias=draw(True, False))


@given(data=st.data(), seed=st.integers(0, 2**16))
@settings(deadline=None, max_examples=25)
def test_any_wiring_has_the_gradient_that_torch_finds(data, seed):
    """Draws convolutions of any stride, dilation and groups, norms, rectifiers in place or not, sums and slices."""
    torch.manual_seed(seed)
    draw = lambda *choices: data.draw(st.sampled_from(choices))  # noqa: E731
    plan = [
        {
            "conv": convolution(draw),
            "norm": nn.BatchNorm2d(4, affine=draw(True, False)) if draw(True, False) else None,
            "before": draw(True, False),
            "rectifier": draw("relu", "relu_", "leaky", "module", "module in place", "tanh", "none"),
            "sum": draw("none", "with itself", "in place", "broadcast", "kept"),
        }
        for _ in range(data.draw(st.integers(1, 4)))
    ]

    class Wired(nn.Module):
        def __init__(self):
            super().__init__()
            self.start, self.first, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 10)
            self.convs = nn.ModuleList(one["conv"] for one in plan)
            self.norms = nn.ModuleList(one["norm"] or nn.Identity() for one in plan)
            self.rectifiers = nn.ModuleList(
                nn.LeakyReLU(0.2) if one["rectifier"] == "module" else nn.ReLU(inplace=True) for one in plan
            )

        def rectified(self, place, maps):
            kind = plan[place]["rectifier"]
            if kind.startswith("module"):
                return self.rectifiers[place](maps)
            return {
                "relu": torch.relu, "relu_": torch.relu_, "tanh": torch.tanh, "none": lambda maps: maps,
                "leaky": lambda maps: F.leaky_relu(maps, 0.3),
            }[kind](maps)  # fmt: skip

        def forward(self, x):
            x = self.first(self.start(x))
            for place, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
                read = self.rectified(place, norm(x * 1.0)) if plan[place]["before"] else x
                maps = conv(read)
                maps = maps if plan[place]["before"] else self.rectified(place, norm(maps))
                kind = plan[place]["sum"]
                if kind == "with itself":
                    maps = maps + maps
                elif kind == "in place":
                    other = 2 * maps
                    other += maps
                    maps = other
                elif kind == "broadcast":
                    maps = maps + maps.mean((2, 3), keepdim=True)
                elif kind == "kept":
                    maps = torch.add(maps, F.adaptive_avg_pool2d(x, 1).expand_as(maps))
                x = maps
            return self.fc(x.mean((2, 3)))

    check(seen_images(Wired()), torch.rand(2, 3, 19, 24, dtype=torch.float64))


def test_a_linear_network_has_the_adjoint():
    """<f(x), g> = <x, f*(g)> of a network without biases."""
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3, 2, 1, bias=False), nn.Conv2d(5, 10, 5, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    written = WrittenOut.of(fx.symbolic_trace(network.double().eval().requires_grad_(False)))
    images, weights = torch.randn(2, *SHAPE, dtype=torch.float64), torch.randn(2, 10, dtype=torch.float64)
    logits, gradient = asked(written, images, weights)
    torch.testing.assert_close((logits * weights).sum(), (images * gradient).sum(), rtol=1e-12, atol=1e-12)


def test_one_forward_pass_can_be_differentiated_again_and_again():
    network = seen_images(CIFARResNet(3, 10, depth=8))
    images = torch.rand(2, *SHAPE, dtype=torch.float64)
    written = WrittenOut.of(folded(network))
    jacobians = []
    for one in (network, written):
        point = images.clone().requires_grad_()
        logits = one(point)
        rows = [torch.autograd.grad(logits[:, k].sum(), point, retain_graph=k < 9)[0] for k in range(10)]
        jacobians.append(torch.stack(rows))
    torch.testing.assert_close(jacobians[1], jacobians[0], rtol=1e-9, atol=1e-11)


def test_an_image_does_not_depend_on_its_batch_mates():
    written = WrittenOut.of(folded(seen_images(ResNet32(3, 10))))
    images, weights = torch.rand(5, *SHAPE, dtype=torch.float64), torch.randn(5, 10, dtype=torch.float64)
    whole = asked(written, images, weights)
    parts = [asked(written, images[rows], weights[rows]) for rows in ([0, 1], [2, 3, 4])]
    for together, apart in zip(whole, zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(torch.cat(apart), together, rtol=1e-11, atol=1e-12)


def test_what_cannot_be_written_out_is_found_by_torch():
    class Grouped(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.Sequential(
                nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 10, 3)
            )

        def forward(self, images):
            return self.convs(images).mean((2, 3))

    written = check(seen_images(Grouped()))
    kinds = [type(line.instruction) for line in written.program.lines]
    assert kinds.count(Convolution) == 2
    assert kinds.count(Local) == 2  # the grouped convolution, and the mean


@pytest.mark.parametrize(
    ("build", "pays"),
    [(lambda: ResNet32(3, 10), True), (lambda: CIFARResNet(3, 10, depth=8), False), (lambda: ConvNet(3, 10), False)],
)
def test_it_pays_where_norms_could_not_be_folded(build, pays):
    """Measured; where all are folded, torch's own backward pass is as fast."""
    network = build().eval()
    assert WrittenOut.of(traced(network)).pays == pays


def test_a_norm_before_a_rectifier_and_a_convolution_hands_its_gradient_on():
    written = check(seen_images(ResNet32(3, 10)))
    norms = [line.instruction for line in written.program.lines if isinstance(line.instruction, Norm)]
    assert [norm.hands_on for norm in norms].count(True) == 14  # of 15 units' first; the first unit's goes elsewhere


def test_what_writes_into_a_map_that_others_read_is_left_to_torch():
    class Overwriting(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList([nn.Conv2d(3, 10, 3), nn.Conv2d(10, 10, 1)])

        def forward(self, images):
            maps = self.convs[0](images)
            torch.relu_(maps)
            return (maps + self.convs[1](maps)).mean((2, 3))

    assert WrittenOut.of(fx.symbolic_trace(Overwriting().eval())) is None


@pytest.mark.parametrize("last", [nn.ReLU, nn.LeakyReLU])
def test_what_was_kept_goes_with_the_logits_also_where_they_are_rectified(last):
    network = seen_images(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 14 * 14, 10), last()))
    written = WrittenOut.of(traced(network))
    gc.collect()
    gc.disable()
    try:
        logits = written(torch.rand(2, *SHAPE, dtype=torch.float64).requires_grad_())
        tape = weakref.ref(logits.grad_fn)
        del logits
        assert tape() is None
    finally:
        gc.enable()


class Aliased(nn.Module):
    """Where one gradient is handed to two maps, one of which passes it on as it is to a sum of gradients."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4 * 14 * 14, 10)

    def forward(self, images):
        one, other = self.one(images), self.other(images)
        total = torch.reshape(one, (-1, 4, 14, 14)) + other
        return self.head(torch.flatten(total * total + one.sin(), 1))


class Rectified(nn.Module):
    """A sum of two outputs that are kept for their signs."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4 * 14 * 14, 10)

    def forward(self, images):
        return self.head(torch.flatten(F.relu(self.one(images)) + F.relu(self.other(images)), 1))


@pytest.mark.parametrize("network", [Aliased, Rectified])
def test_nothing_is_written_into_that_others_still_read(network):
    check(seen_images(network()))
