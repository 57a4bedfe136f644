"""Views: what an adversary knows of a defended model."""

from sparsefront.attacks.views.fitted_surrogate import FittedSurrogate
from sparsefront.attacks.views.gray_box import GrayBox
from sparsefront.attacks.views.neighbourhood import Neighbourhood
from sparsefront.attacks.views.transfer import Transfer
from sparsefront.attacks.views.view import View
from sparsefront.attacks.views.white_box import WhiteBox

__all__ = ["FittedSurrogate", "GrayBox", "Neighbourhood", "Transfer", "View", "WhiteBox"]
