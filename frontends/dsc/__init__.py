"""Deep sparse coding (paper 003), in several files."""

from sparsefront.frontends.dsc.dsc import DSC, DSCCodes
from sparsefront.frontends.dsc.layer import DSCLayer

__all__ = ["DSC", "DSCCodes", "DSCLayer"]
