"""Whether a classifier can be trained and attacked, seen before either begins."""

import torch
from torch import Tensor

from sparsefront.common.frozen_model import frozen_model
from sparsefront.common.logits import logits_of
from sparsefront.model.defended import DefendedClassifier


def check_classifier(model: DefendedClassifier, num_classes: int, training: bool = False) -> None:
    """Ask a classifier of images about black ones, in evaluation mode and, before a training, as it is in training.

    Nothing of this is left on it. One that reads codes is not asked: what a front end returns before it has learned
    says nothing.

    Args:
        model: whose classifier it is.
        num_classes: of the data.
        training: whether it is going to be trained.

    Raises:
        ValueError: it cannot read images of this shape, or returns something else than logits of these classes.
    """
    if not model.frontend.returns_images:
        return
    for mode in (False, True) if training else (False,):
        count = 2 if mode else 1  # batch normalisation can learn nothing from one
        logits = _asked(model, count, mode)
        if tuple(logits.shape) != (count, num_classes):
            raise ValueError(
                f"`model.classifier` {type(model.classifier).__name__} must return logits ({count}, {num_classes}) for "
                f"{'two images in training mode' if mode else 'one image'}, found {tuple(logits.shape)}."
            )


def _asked(model: DefendedClassifier, count: int, mode: bool) -> Tensor:
    """What the classifier makes of `count` black images in training mode or in evaluation mode."""
    kind, shape, told = type(model.classifier).__name__, model.frontend.image_shape, " in training mode" if mode else ""
    device = next((parameter.device for parameter in model.classifier.parameters()), model.device)
    images = torch.zeros(count, *shape, device=device, dtype=model.reads)
    try:
        with frozen_model(model), torch.no_grad():
            model.classifier.train(mode)
            output = model.classifier(images)
    except Exception as error:
        raise ValueError(
            f"`model.classifier` {kind} cannot read images of shape {shape}{told} "
            f"({str(error) or type(error).__name__}); set `data.image_size`, or the classifier's own size "
            "(`resize` or `img_size` of Timm)."
        ) from None
    try:
        return logits_of(output, f"`model.classifier` {kind}{told}")
    except TypeError as error:
        raise ValueError(str(error)) from None
