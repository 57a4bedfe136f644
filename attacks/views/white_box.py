"""The view of an adversary who knows everything."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

from torch import Tensor

from sparsefront.attacks.parts.usable_gradient import connected, with_usable_gradient
from sparsefront.attacks.views.local_logits import LocalLogits
from sparsefront.attacks.views.view import Logits, Meter, View, unmetered


@dataclass(frozen=True)
class WhiteBox(View):
    """Everything: the front end's value, differentiated in one of its backward modes, then the classifier.

    A front end that solves for codes may have a setting `warm` in its modes, which starts from those of the call
    before, for one step of an attack is near the next. Its value is then the deployed one up to the front end's
    tolerance, and follows from the calls before: an attack that ends just past the boundary of such a value may be
    found short of it by the verdict, which is `cold`.

    Args:
        backward: a backward mode of the front end; its default (the strongest known) if absent.
        settings: that mode's own settings, e.g. `steepness` and `top_u` of TopT's `smooth`.
        zero_where_none: give a sample for which the model has no gradient, or none that is finite, one of 0, in the
            place of an error that ends the attack on its batch mates too.
    """

    knowledge = "white_box"
    is_deployed = True

    backward: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    zero_where_none: bool = False

    def __call__(self, model: Any, meter: Meter = unmetered) -> Logits:
        """Compose the stand-in with the classifier."""
        backward = model.frontend.default_backward if self.backward is None else self.backward
        stand_in = model.frontend.stand_in(backward, **self.settings)
        by_chance = getattr(model.frontend, "randomised", False)

        def logits(images: Tensor) -> Tensor:
            outputs: Tensor = model.logits_from(stand_in(images.clone()))  # which may write into its own
            # Where one draw has no derivative, another one may have.
            return connected(outputs, images) if by_chance and not outputs.requires_grad else outputs

        usable = with_usable_gradient(logits) if self.zero_where_none else logits
        return LocalLogits(meter(usable), model, meter)

    def cold(self) -> Self:
        """Each call as if it were the first."""
        return replace(self, settings={name: value for name, value in self.settings.items() if name != "warm"})
