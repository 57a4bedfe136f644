"""The contract of what an adversary knows of a defended model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

from torch import Tensor

from sparsefront.common.settings import CheckedSettings

Logits = Callable[[Tensor], Tensor]
Meter = Callable[[Logits], Logits]


def unmetered(logits: Logits) -> Logits:
    """The same function: nothing counts its calls."""
    return logits


class View(CheckedSettings, ABC):
    """From a defended model to what the adversary differentiates.

    The model is an `nn.Module` with a `.frontend`, a `.classifier` of images, and `.logits_from`, from what the front
    end returns to logits. Where it has `.classify`, its classifier is asked by it: from images to logits, whatever the
    classifier returns or writes into.

    Attributes:
        n_fitting_images: training images that `fitted` needs before the view can be differentiated; 0 for most.
    """

    n_fitting_images: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be; their kinds have been looked at before (`CheckedSettings`)."""

    def cold(self) -> Self:
        """The view whose every answer is as if it were the first: itself where nothing is kept between calls."""
        return self

    def fitted(self, model: Any, images: Tensor, meter: Meter = unmetered) -> "View":
        """The view that has seen training images (N, C, H, W); itself where it needs none. `meter` as in a call."""
        return self

    @property
    @abstractmethod
    def knowledge(self) -> str:
        """The field's word for what the adversary knows: `white_box`, `gray_box` or `transfer`."""

    @property
    def is_deployed(self) -> bool:
        """Whether its logits are the deployed model's, so that an image which fools it fools the defense."""
        return False

    @abstractmethod
    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Return images (B, C, H, W) -> logits (B, K).

        Args:
            model: the defended one.
            meter: put around each function that takes images through a model once, so that all that is asked of
                models is counted where it is asked, however often a call of the view does.

        Raises:
            ValueError: this view cannot be had of this model.
        """
