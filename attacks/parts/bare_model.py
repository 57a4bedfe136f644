"""A function from images to logits in the place of a defended model."""

from collections.abc import Callable, Sequence

from torch import Tensor

from sparsefront.attacks.parts.model import Model

ImageMap = Callable[[Tensor], Tensor]


class BareModel:
    """What views ask of a defended model, of one that has no front end, or none that is known.

    Args:
        model: images (B, C, H, W) -> logits (B, K).
        image_shape: (C, H, W).
        num_classes: K.
    """

    def __init__(self, model: Model, image_shape: Sequence[int], num_classes: int) -> None:
        self.classifier = self.logits_from = model
        self.frontend = _NoFrontEnd(image_shape)
        self.num_classes = num_classes


class _NoFrontEnd:
    """Hands images on."""

    default_backward, randomised, returns_images, hands_images_on, n_copies = "exact", False, True, True, 1

    def __init__(self, image_shape: Sequence[int]) -> None:
        self.image_shape = tuple(image_shape)

    def __call__(self, images: Tensor) -> Tensor:
        return images

    def backward_modes(self) -> dict[str, Callable[..., ImageMap]]:
        """`exact` alone."""
        return {"exact": lambda: self}

    def stand_in(self, backward: str) -> ImageMap:
        """Images as they are."""
        return self.backward_modes()[backward]()
