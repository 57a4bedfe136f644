"""A front end seen through a network that was fitted to it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sparsecode import value_with_gradient_of
from sparsefront.attacks.parts.batch import in_precision
from sparsefront.attacks.parts.fitting import fit
from sparsefront.attacks.views.fitted_view import FittedView
from sparsefront.attacks.views.view import Logits, Meter, unmetered

KERNEL = 5  # side of the convolutions: three of them see 13 pixels


@dataclass(frozen=True)
class FittedSurrogate(FittedView):
    """The deployed model's value, with the gradient of a small network in the place of the front end.

    For front ends whose own derivative says nothing and for which no stand-in is known, an adversary learns one
    (Athalye et al. 2018, section 4: any differentiable function that agrees with the front end will do): three
    convolutions g, added to the image, that minimise the mean of ||x + e + g(x + e) - frontend(x + e)||^2 over training
    images x and uniform noise e of size `radius`, so that it also fits around images.

    Args:
        n_fitting_images: training images that it is fitted to.
        width: channels of the network.
        steps: of its optimizer (Adam).
        batch_size: images in one of them.
        radius: of the noise in [0, 1] pixel units; `8/255` is read. Best the attack's eps.
        seed: of the network's first weights, of the images' order and of the noise.

    Raises:
        ValueError: a setting out of range; a front end that returns codes; a call before `fitted`.
    """

    knowledge: ClassVar[str] = "white_box"
    is_deployed: ClassVar[bool] = True

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Compose the front end's value and the network's gradient with the classifier."""
        _check(model)

        def logits(images: Tensor) -> Tensor:
            network = self.network
            with torch.no_grad():
                value = model.frontend(images.clone())  # which may write into what it is given
            wide = images.to(torch.promote_types(images.dtype, torch.float32))  # the network's own precision
            near = wide + network(wide)
            near = near.to(value.dtype).repeat_interleave(model.frontend.n_copies, dim=0)
            logits: Tensor = model.logits_from(value_with_gradient_of(near, value))
            return logits

        return meter(logits)

    def _fit(self, model: Any, images: Tensor, meter: Meter) -> nn.Module:
        _check(model)
        frontend = meter(model.frontend)
        dtype, images = images.dtype, in_precision(images)  # half precision would not learn
        network = _network(images.shape[1], self.width).to(images)
        radius = float(self.radius)

        def loss(some: Tensor) -> Tensor:
            some = (some + radius * (2 * torch.rand_like(some) - 1)).clamp(0, 1)
            with torch.no_grad():
                wanted = frontend(some.to(dtype, copy=True)).unflatten(0, (len(some), -1)).mean(dim=1)
            error: Tensor = (some + network(some) - wanted).square().mean()
            return error

        return fit(network, images, loss, self.steps, self.batch_size)


def _network(channels: int, width: int) -> nn.Sequential:
    sizes = [channels, width, width, channels]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Conv2d(before, after, KERNEL, padding=KERNEL // 2), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _check(model: Any) -> None:
    if not model.frontend.returns_images:
        raise ValueError(
            f"`view` FittedSurrogate needs a front end that returns images, found {type(model.frontend).__name__} "
            "handing codes to its classifier; use WhiteBox with one of its backward modes."
        )
