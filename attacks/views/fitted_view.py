"""What views through a network that is fitted first have in common."""

import copy
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor, nn

from sparsefront.attacks.parts.fitting import fitting
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.views.view import Meter, View, unmetered
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, settings_of


@dataclass(frozen=True)
class FittedView(View):
    """A view through a small network that is fitted to answers about training images.

    Args:
        n_fitting_images: training images that it is fitted to.
        width: channels of the network.
        steps: of its optimizer (Adam).
        batch_size: images in one of them.
        radius: of the noise around images in [0, 1] pixel units; `8/255` is read.
        seed: of the network's first weights, of the images' order and of the noise.

    Raises:
        ValueError: a setting out of range.
    """

    n_fitting_images: int = 1000
    width: int = 32
    steps: int = 500
    batch_size: int = 32
    radius: PixelSize = "8/255"
    seed: int = 0
    _network: nn.Module | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        counts = settings_of(self, "n_fitting_images", "width", "steps", "batch_size")
        check_rules([*at_least(1, **counts), *radius_rules("Linf", radius=float(self.radius))])

    def fitted(self, model: Any, images: Tensor, meter: Meter = unmetered) -> Self:
        """This view with a network fitted to what the model makes of images (N, C, H, W) in [0, 1] and around them."""
        view = copy.copy(self)
        with fitting(self.seed, images):
            object.__setattr__(view, "_network", self._fit(model, images.detach().clone(), meter))
        return view

    @abstractmethod
    def _fit(self, model: Any, images: Tensor, meter: Meter) -> nn.Module:
        """A network fitted to a model, with gradients possible."""

    @property
    def network(self) -> nn.Module:
        """The fitted network.

        Raises:
            ValueError: `fitted` has not been called.
        """
        if self._network is None:
            raise ValueError(f"{type(self).__name__} must be fitted first: call `fitted(model, images)`.")
        return self._network
