"""What an adversary knows of a defended model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

Logits = Callable[[Tensor], Tensor]


class View(ABC):
    """From a defended model, an `nn.Module` with `.frontend` and `.classifier`, to what the adversary differentiates.

    Attributes:
        knowledge: the field's word for it.
        is_deployed: whether its logits are the deployed model's, so that an image which fools it fools the defense.
    """

    knowledge: ClassVar[str]
    is_deployed: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, model: Any) -> Logits:
        """Return images (B, C, H, W) -> logits (B, K).

        Raises:
            ValueError: this view cannot be had of this model.
        """


@dataclass(frozen=True)
class WhiteBox(View):
    """Everything: the front end's value, differentiated in one of its backward modes, then the classifier.

    Args:
        backward: a backward mode of the front end; its default (the strongest known) if absent.
        settings: that mode's own settings, e.g. `steepness` and `top_u` of TopT's `smooth`.
    """

    knowledge: ClassVar[str] = "white_box"
    is_deployed: ClassVar[bool] = True

    backward: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __call__(self, model: Any) -> Logits:
        """Compose the stand-in with the classifier."""
        backward = model.frontend.default_backward if self.backward is None else self.backward
        stand_in = model.frontend.stand_in(backward, **self.settings)
        return lambda images: model.classifier(stand_in(images))


@dataclass(frozen=True)
class GrayBox(View):
    """The classifier alone; the perturbed images then meet the front end."""

    knowledge: ClassVar[str] = "gray_box"

    def __call__(self, model: Any) -> Logits:
        """Return the classifier."""
        if not model.frontend.returns_images:
            raise ValueError(
                f"`view` GrayBox needs a front end that returns images, found {type(model.frontend).__name__} handing "
                "codes to its classifier, which reads no images; use WhiteBox or Transfer."
            )
        return lambda images: model.classifier(images)


@dataclass(frozen=True)
class Transfer(View):
    """Another trained model, given white box; what fools it then meets the deployed one.

    Args:
        checkpoint: path of a checkpoint that the same command line wrote.
    """

    knowledge: ClassVar[str] = "transfer"

    checkpoint: str

    def __call__(self, model: Any) -> Logits:
        """Load the other model, frozen; it follows the images to their device."""
        if not Path(self.checkpoint).is_file():
            raise ValueError(f"`checkpoint` of Transfer must name a checkpoint file, found none at {self.checkpoint}.")
        other = self._load(type(model))
        logits = WhiteBox()(other)

        def follow(images: Tensor) -> Tensor:
            if any(tensor.device != images.device for tensor in other.parameters()):
                with torch.inference_mode(False):
                    other.to(images.device)
            return logits(images)

        return follow

    def _load(self, kind: Any) -> nn.Module:
        try:
            # Trainer.validate runs in inference mode, and parameters made there can never be differentiated through.
            with torch.inference_mode(False):
                other: nn.Module = kind.load_from_checkpoint(self.checkpoint, map_location="cpu")
        except Exception as error:
            raise ValueError(
                f"`checkpoint` of Transfer must be a {kind.__name__} that the command line wrote, "
                f"found {self.checkpoint}, which does not load ({type(error).__name__}); name another."
            ) from error
        return other.eval().requires_grad_(False)
