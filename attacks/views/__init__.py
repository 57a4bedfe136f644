"""Views: what an adversary knows of a defended model."""

from sparsefront.attacks.views.fitted_model import FittedModel
from sparsefront.attacks.views.fitted_surrogate import FittedSurrogate
from sparsefront.attacks.views.gray_box import GrayBox
from sparsefront.attacks.views.neighbourhood import Neighbourhood
from sparsefront.attacks.views.opposite_gradient import OppositeGradient
from sparsefront.attacks.views.rescaled_logits import RescaledLogits
from sparsefront.attacks.views.transfer import Transfer
from sparsefront.attacks.views.view import View
from sparsefront.attacks.views.white_box import WhiteBox
from sparsefront.attacks.views.wrapped_view import WrappedView

__all__ = [
    "FittedModel",
    "FittedSurrogate",
    "GrayBox",
    "Neighbourhood",
    "OppositeGradient",
    "RescaledLogits",
    "Transfer",
    "View",
    "WhiteBox",
    "WrappedView",
]
