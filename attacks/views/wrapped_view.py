"""What views around another view have in common."""

import copy
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor

from sparsefront.attacks.views.view import Meter, View, unmetered
from sparsefront.attacks.views.white_box import WhiteBox


@dataclass(frozen=True)
class WrappedView(View):
    """Another view, differentiated in another way.

    What its adversary knows, whether its answers are the deployed model's and what it must be fitted on are the other
    view's.

    Args:
        view: what the adversary knows.
    """

    view: View = field(default_factory=WhiteBox)

    @property
    def knowledge(self) -> str:
        """What the adversary knows, as the inner view says it."""
        return self.view.knowledge

    @property
    def is_deployed(self) -> bool:
        """Whether the inner view's logits are the deployed model's."""
        return self.view.is_deployed

    @property
    def n_fitting_images(self) -> int:  # type: ignore[override]
        """Training images that the inner view needs."""
        return self.view.n_fitting_images

    def fitted(self, model: Any, images: Tensor, meter: Meter = unmetered) -> Self:
        """This view around the fitted inner one."""
        return self._around(self.view.fitted(model, images, meter))

    def cold(self) -> Self:
        """This view around the inner one, cold."""
        return self._around(self.view.cold())

    def _around(self, inner: View) -> Self:
        view = copy.copy(self)
        object.__setattr__(view, "view", inner)
        return view
