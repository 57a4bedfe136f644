"""The view of an adversary who knows everything."""

from dataclasses import dataclass, field
from typing import Any

from sparsefront.attacks.views.local_logits import LocalLogits
from sparsefront.attacks.views.view import Logits, Meter, View, unmetered


@dataclass(frozen=True)
class WhiteBox(View):
    """Everything: the front end's value, differentiated in one of its backward modes, then the classifier.

    Args:
        backward: a backward mode of the front end; its default (the strongest known) if absent.
        settings: that mode's own settings, e.g. `steepness` and `top_u` of TopT's `smooth`.
    """

    knowledge = "white_box"
    is_deployed = True

    backward: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Compose the stand-in with the classifier."""
        backward = model.frontend.default_backward if self.backward is None else self.backward
        stand_in = model.frontend.stand_in(backward, **self.settings)
        logits = meter(lambda images: model.logits_from(stand_in(images.clone())))  # which may write into its own
        return LocalLogits(logits, model, meter)
