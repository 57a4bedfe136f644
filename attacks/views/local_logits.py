"""Logits that can be asked about a few changed pixels."""

from typing import Any

from torch import Tensor, nn

from sparsefront.attacks.views.view import Logits, Meter
from sparsefront.common.changes.changed_answers import ChangedAnswers
from sparsefront.common.changes.stages_of import stages_of


class LocalLogits:
    """A defended model's logits, which a search that changes a few pixels at a time can have sooner.

    Args:
        logits: (B, C, H, W) -> (B, K), all that others see of it.
        model: the defended model.
        meter: put around what follows the parts that changes are followed through.
    """

    def __init__(self, logits: Logits, model: Any, meter: Meter) -> None:
        self._logits, self._model, self._meter = logits, model, meter

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (B, K) of images (B, C, H, W)."""
        return self._logits(images)

    def nearby(self, images: Tensor) -> ChangedAnswers | None:
        """What answers for images that differ in a few pixels from (B, C, H, W); None where that is no sooner."""
        frontend, classifier = self._model.frontend, self._model.classifier
        stages = getattr(frontend, "change_stages", lambda: None)()
        if stages is None or frontend.randomised or frontend.n_copies > 1:
            return None
        layers = getattr(classifier, "layers", None)
        if layers is None:
            return ChangedAnswers(self, stages, self._meter(self._model.logits_from), images) if stages else None
        more, rest = stages_of(layers())
        if not stages and not more:
            return None
        return ChangedAnswers(self, [*stages, *more], self._meter(nn.Sequential(*rest)), images)
