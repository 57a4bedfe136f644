"""Classifiers of code that people write, each one awkward in its own way; (B, 3, 16, 16) -> (B, 10)."""

import threading
import warnings

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint

from sparsefront import DefendedClassifier

SHAPE = (3, 16, 16)


class Net(nn.Module):
    """A convolution that is used twice, once without its batch norm (the example of the fault)."""

    def __init__(self, in_chans, num_classes):
        super().__init__()
        self.a, self.conv = nn.Conv2d(in_chans, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.bn, self.fc = nn.BatchNorm2d(8), nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.conv(self.a(x)).relu()
        return self.head(self.bn(self.conv(x)))

    def head(self, maps):
        return self.fc(maps.relu().mean((2, 3)))


class TwoNorms(Net):
    """The convolution has a batch norm of its own in each place."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.other = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.head(self.other(self.conv(self.bn(self.conv(self.a(x))).relu())))


class TiedBlocks(Net):
    """One block under two names."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.first = nn.Sequential(self.conv, self.bn)
        self.second = self.first

    def forward(self, x):
        return self.head(self.second(self.first(self.a(x)).relu()))


class TiedWeights(Net):
    """Two convolutions of one parameter, one of them read as a function."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.twin = nn.Conv2d(8, 8, 3, padding=1)
        self.twin.weight = self.conv.weight

    def forward(self, x):
        maps = self.bn(self.conv(self.a(x))).relu() + self.twin(self.a(x))
        return self.head(F.conv2d(maps, self.conv.weight, padding=1))


class ReadTwice(Net):
    """What the convolution returns is read beside its batch norm."""

    def forward(self, x):
        maps = self.conv(self.a(x))
        return self.head(self.bn(maps) + maps)


class NoStatistics(Net):
    """Batch statistics in evaluation too."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.bn = nn.BatchNorm2d(8, track_running_stats=False)


class FunctionalNorm(Net):
    def forward(self, x):
        norm = self.bn
        maps = F.batch_norm(self.conv(self.a(x)), norm.running_mean, norm.running_var, norm.weight, norm.bias, False)
        return self.head(self.bn(self.conv(maps)))


class ModeBranch(Net):
    """Another path in training."""

    def forward(self, x):
        maps = self.bn(self.conv(self.a(x)))
        return self.head(self.bn(self.conv(maps)) if self.training else maps)


class Noisy(Net):
    """A drawn tensor of fixed shape, which tracing would freeze."""

    def forward(self, x):
        return super().forward(x) + 0.1 * torch.randn(10)


class AlwaysDropping(Net):
    def forward(self, x):
        return super().forward(F.dropout(x, 0.3, training=True))


class Hooked(Net):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.bn.register_forward_hook(_doubled)


class HookedBefore(Net):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.bn.register_forward_pre_hook(_squared)


class HookedAtTheRoot(Net):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.register_forward_hook(_with_mean)


def _doubled(module, inputs, output):
    return 2 * output


def _squared(module, inputs):
    return (inputs[0].square(),)


def _with_mean(module, inputs, output):
    return output + inputs[0].mean(dim=(1, 2, 3))[:, None] * torch.arange(10)


class OwnForward(Net):
    """Its forward was put in its place from outside."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        inner = self.forward
        self.forward = lambda x: inner(x.flip(3)) * torch.arange(10)


class GivesUp(Net):
    """Tracing ends in the branch for errors."""

    def forward(self, x):
        try:
            if x.mean() > 0.4:
                x = 1 - 2 * x
        except Exception:
            pass
        return super().forward(x)


class SizeOfBatch(Net):
    """Another path for one image alone."""

    def forward(self, x):
        return 3 * super().forward(x.flip(2)) if x.shape[0] == 1 else super().forward(x)


class WhereGradientsAre(Net):
    """A stronger answer where nobody differentiates."""

    def forward(self, x):
        logits = super().forward(x)
        return logits if torch.is_grad_enabled() else logits * torch.arange(10)


class Spectral(Net):
    """Old-style, whose weight is no leaf and cannot be copied once it has been used."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.a = nn.utils.spectral_norm(self.a)

    def forward(self, x):
        return self.head(self.bn(self.a(x)))


class SpectralParametrized(Spectral):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.a = parametrizations.spectral_norm(nn.Conv2d(in_chans, 8, 3, padding=1))


class WeightNorm(Spectral):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.a = parametrizations.weight_norm(nn.Conv2d(in_chans, 8, 3, padding=1))


class OddWeight(Spectral):
    """A parametrization of one's own."""

    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.a = nn.Conv2d(in_chans, 8, 3, padding=1)
        parametrize.register_parametrization(self.a, "weight", nn.Tanh())


class KeepsActivations(Net):
    def forward(self, x):
        self.last = self.a(x)
        return super().forward(x)


class Locked(Net):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.lock = threading.Lock()

    def forward(self, x):
        with self.lock:
            return super().forward(x)


class ByLambda(Net):
    def __init__(self, in_chans, num_classes):
        super().__init__(in_chans, num_classes)
        self.step = lambda x: self.conv(self.a(x))

    def forward(self, x):
        return self.head(self.bn(self.step(x)))


class Strided(Net):
    """Code for contiguous images alone."""

    def forward(self, x):
        return super().forward(x.view(len(x), -1).view(x.shape))


class InPlace(Net):
    """Normalises its input where it lies."""

    def forward(self, x):
        x.mul_(0.5)
        x -= 0.1
        return super().forward(F.relu(x, inplace=True))


class InDictionary(Net):
    def forward(self, x):
        return {"features": x, "logits": super().forward(x)}


class Checkpointed(Net):
    """Reentrant, which refuses `autograd.grad`."""

    def forward(self, x):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "None of the inputs have requires_grad")  # of torch, where none is wanted
            return checkpoint(super().forward, x, use_reentrant=True)


FAITHFUL = [value for value in list(globals().values()) if isinstance(value, type) and issubclass(value, Net)]


def defended(classifier, **settings):
    """A model whose batch norms have seen images."""
    model = DefendedClassifier(classifier, image_shape=SHAPE, num_classes=10, **settings)
    for seed in range(3):
        model(torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(seed)))
    return model.eval()
