"""Models that hide their gradients on purpose, and plain ones beside them, around networks that tell digits apart."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefront import DefendedClassifier
from sparsefront.classifiers import ConvNet
from sparsefront.data.batch import Batch
from sparsefront.frontends import FrontEnd, Identity
from tests.helpers.precision import DTYPE
from tests.helpers.real_digits import mnist_data

N_TRAINING = 4000
LEVELS = 32  # of the rounding
RIPPLE = 1e-3  # the height of the ripples, far below a gray level
WAVES = 5e3  # their angular frequency, so that their slope is up to 5 beside the image's 1


@cache
def digits() -> tuple[Tensor, Tensor]:
    """The 5,000 digits in an order of no meaning: images (5000, 1, 28, 28) and labels (5000,)."""
    pixels, labels = mnist_data()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    images = torch.from_numpy(pixels).to(DTYPE).view(-1, 1, 28, 28) / 255
    return images[order], torch.from_numpy(labels).long()[order]


def training_images(count: int) -> tuple[Tensor, Tensor]:
    """The first `count` of the digits that networks are trained on."""
    images, labels = digits()
    return images[:count], labels[:count]


@cache
def network(name: str) -> nn.Module:
    """A network of that name, trained for a moment, frozen: `convnet` or `mlp`; made once a process."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "convnet":
            net: nn.Module = ConvNet(1, 10, width=16)
        else:
            net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
        optimizer = torch.optim.Adam(net.parameters(), 2e-3)
        images, labels = training_images(N_TRAINING)
        for _ in range(200):
            chosen = torch.randint(N_TRAINING, (64,))
            noisy = (images[chosen] + 0.2 * (2 * torch.rand(64, 1, 28, 28) - 1)).clamp(0, 1)
            optimizer.zero_grad()
            F.cross_entropy(net(noisy), labels[chosen]).backward()
            optimizer.step()
    return net.eval().requires_grad_(False)


def right_digits(model: nn.Module, count: int) -> Batch:
    """The first `count` digits that no network was trained on and that a model gets right."""
    images, labels = (tensor[N_TRAINING:] for tensor in digits())
    with torch.no_grad():
        right = (model(images[: 3 * count]).argmax(dim=1) == labels[: 3 * count]).nonzero().squeeze(1)[:count]
    return Batch(images[right], labels[right], right)


class Rounded(FrontEnd):
    """Rounds to so many gray levels that hardly any answer changes; rounding has no derivative but zero."""

    def forward(self, images: Tensor) -> Tensor:
        return (LEVELS * images).round() / LEVELS


class Detached(FrontEnd):
    """Hands the images on, cut off from the graph."""

    def forward(self, images: Tensor) -> Tensor:
        return images.detach()


class Rippled(FrontEnd):
    """Adds ripples that nobody sees and that are steep."""

    def forward(self, images: Tensor) -> Tensor:
        return images + RIPPLE * (WAVES * images + 2).sin()  # which points down where an image is black


class Kinked(FrontEnd):
    """Adds a saw of straight teeth: a kink at every pixel, the slope up and down in turn."""

    def forward(self, images: Tensor) -> Tensor:
        teeth = WAVES * images / torch.pi + 0.75
        return images + RIPPLE * (2 * (teeth - 2 * (teeth / 2).round()).abs() - 1)


class Noisy(FrontEnd):
    """Adds noise, anew in every call; unclipped, for in the mean it is to move no pixel: that were another model."""

    randomised = True

    def forward(self, images: Tensor) -> Tensor:
        return images + 0.02 * torch.randn_like(images)


class Switched(FrontEnd):
    """Hands the images on, in half of the calls without their graph, by chance: any two calls have the same value."""

    randomised = True

    def forward(self, images: Tensor) -> Tensor:
        return images if torch.rand(()) < 0.5 else images.detach()


class _OtherGradient(torch.autograd.Function):
    """The images, and a changed gradient."""

    @staticmethod
    def forward(ctx, images, change):
        ctx.change = change
        return images.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.change(gradient), None


class Flipped(FrontEnd):
    """Hands the images on, and back the negative of their gradient."""

    def forward(self, images: Tensor) -> Tensor:
        return _OtherGradient.apply(images, torch.neg)


class Clipped(FrontEnd):
    """Hands the images on, and back no gradient but what points down and is small: all else is clipped away."""

    def forward(self, images: Tensor) -> Tensor:
        return _OtherGradient.apply(images, lambda gradient: gradient.clamp(0, 1e-9))


class HalfDetached(FrontEnd):
    """Hands the images on, every other column of pixels cut off from the graph."""

    def forward(self, images: Tensor) -> Tensor:
        kept = torch.arange(images.shape[3], device=images.device) % 2 == 1
        return torch.where(kept, images, images.detach())


class NotANumber(FrontEnd):
    """Hands the images on, and back a gradient that is none."""

    def forward(self, images: Tensor) -> Tensor:
        return _OtherGradient.apply(images, lambda gradient: gradient * torch.nan)


class DeadBranch(FrontEnd):
    """Hands the images on, whose graph leads through a branch that counts for nothing."""

    def forward(self, images: Tensor) -> Tensor:
        return images.detach() + 0 * images.sigmoid()


class Misleading(FrontEnd):
    """The value of its input and the gradient of a picture that has nothing to do with it."""

    def forward(self, images: Tensor) -> Tensor:
        waves = (1e4 * images).sin()
        return images + 1e-2 * (waves - waves.detach())


class Faint(FrontEnd):
    """Deployed: the images. Its derivative is a billionth of theirs."""

    def forward(self, images: Tensor) -> Tensor:
        return images.detach() + 1e-9 * (images - images.detach())


class Gamma(FrontEnd):
    """Has an infinite derivative at black."""

    def forward(self, images: Tensor) -> Tensor:
        return images.sqrt()


class Blurred(FrontEnd):
    """A box blur of three pixels."""

    def forward(self, images: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


class Brightened(FrontEnd):
    """Brighter, by less than would make a pixel white."""

    def forward(self, images: Tensor) -> Tensor:
        return 0.9 * images + 0.1


class Answering(nn.Module):
    """A network whose logits are given out changed."""

    def __init__(self, net: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.net, self.change = net, change

    def forward(self, images: Tensor) -> Tensor:
        return self.change(self.net(images))


def one_hot(logits: Tensor) -> Tensor:
    """1 for the answer, 0 for every other class."""
    return F.one_hot(logits.argmax(dim=1), logits.shape[1]).to(logits)


def answer_alone(logits: Tensor) -> Tensor:
    """The answer's logit, 0 for every other class."""
    return logits * one_hot(logits)


@dataclass(frozen=True)
class Planted:
    """A way to change a model: before it, a front end; behind it, a function of its logits."""

    frontend: type[FrontEnd] = Identity
    change: Callable[[Tensor], Tensor] = field(default=nn.Identity())

    def around(self, net: nn.Module) -> DefendedClassifier:
        """The defended model, deployed and frozen."""
        model = DefendedClassifier(lambda *_: Answering(net, self.change), self.frontend, image_shape=(1, 28, 28))
        return model.eval().requires_grad_(False)


PLAIN = {
    "bare": Planted(),
    "scaled": Planted(change=lambda logits: 3 * logits),
    "blurred": Planted(Blurred),
    "brightened": Planted(Brightened),
}
HIDING = {
    "round": Planted(Rounded),
    "detach": Planted(Detached),
    "ripple": Planted(Rippled),
    "kink": Planted(Kinked),
    "saturate": Planted(change=lambda logits: 1e4 * logits),
    "softmax": Planted(change=lambda logits: (20 * logits).softmax(dim=1)),
    "one_hot": Planted(change=one_hot),
    "answer_alone": Planted(change=answer_alone),
    "round_logits": Planted(change=lambda logits: (8 * logits).round() / 8),
    "half_detach": Planted(HalfDetached),
    "not_a_number": Planted(NotANumber),
    "noise": Planted(Noisy),
    "switch": Planted(Switched),
    "flip": Planted(Flipped),
    "clip": Planted(Clipped),
    "dead_branch": Planted(DeadBranch),
    "misleading": Planted(Misleading),
    "faint": Planted(Faint),
}
