"""Logits that can be asked window by window."""

from typing import Any

from torch import Tensor, nn

from sparsefront.attacks.views.view import Logits, Meter
from sparsefront.common.windows.stages_of import stages_of
from sparsefront.common.windows.window_answers import WindowAnswers


class WindowLogits:
    """A defended model's logits, which a search that changes an image window by window can have sooner.

    Args:
        logits: (B, C, H, W) -> (B, K), all that others see of it.
        model: the defended model.
        meter: put around what follows the parts that windows are followed through.
    """

    def __init__(self, logits: Logits, model: Any, meter: Meter) -> None:
        self._logits, self._model, self._meter = logits, model, meter

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W)."""
        return self._logits(images)

    def windows(self, images: Tensor) -> WindowAnswers | None:
        """What answers for changed windows of images (B, C, H, W); None where all must be computed each time."""
        frontend, classifier = self._model.frontend, self._model.classifier
        stages = getattr(frontend, "window_stages", lambda: None)()
        if stages is None or frontend.randomised or frontend.n_copies > 1:
            return None
        layers = getattr(classifier, "layers", None)
        if layers is None:
            return WindowAnswers(self, stages, self._meter(self._model.logits_from), images) if stages else None
        more, rest = stages_of(layers())
        if not stages and not more:
            return None
        return WindowAnswers(self, [*stages, *more], self._meter(nn.Sequential(*rest)), images)
