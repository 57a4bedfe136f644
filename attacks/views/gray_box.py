"""The view of an adversary who knows the classifier alone."""

from dataclasses import dataclass
from typing import Any

from sparsefront.attacks.views.view import Logits, Meter, View, unmetered


@dataclass(frozen=True)
class GrayBox(View):
    """The classifier alone; the perturbed images then meet the front end."""

    knowledge = "gray_box"

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Return the classifier."""
        if not model.frontend.returns_images:
            raise ValueError(
                f"`view` GrayBox needs a front end that returns images, found {type(model.frontend).__name__} handing "
                "codes to its classifier, which reads no images; use WhiteBox or Transfer."
            )
        classify = getattr(model, "classify", model.classifier)
        return meter(lambda images: classify(images))
