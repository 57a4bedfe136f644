"""What an adversary knows of a defended model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

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
        stand_in = model.frontend.stand_in(self.backward or model.frontend.default_backward, **self.settings)
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
        """Load the other model, frozen, to the deployed model's device."""
        if not Path(self.checkpoint).is_file():
            raise ValueError(f"`checkpoint` of Transfer must name a checkpoint file, found none at {self.checkpoint}.")
        other = type(model).load_from_checkpoint(self.checkpoint, map_location="cpu").eval().requires_grad_(False)
        reads, gives = (next(m.parameters()) for m in (model, other))
        if isinstance(other, nn.Module) and reads.device != gives.device:
            other.to(reads.device)
        return WhiteBox()(other)
