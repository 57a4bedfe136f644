"""Deep sparse coding (paper 003), in several files."""

from sparsefront.frontends.dsc.codes import DSCCodes
from sparsefront.frontends.dsc.dsc import DSC
from sparsefront.frontends.dsc.layer import DSCLayer
from sparsefront.frontends.dsc.learning_settings import DSCLearningSettings
from sparsefront.frontends.dsc.second_modality import SecondModality
from sparsefront.frontends.dsc.solver import DSCSolver

__all__ = ["DSC", "DSCCodes", "DSCLayer", "DSCLearningSettings", "DSCSolver", "SecondModality"]
