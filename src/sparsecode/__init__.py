"""Sparse coding in torch: patches, LASSO, dictionary learning. Knows nothing of adversaries, Lightning or files."""

from sparsecode.cbpdn import CbpdnState, cbpdn
from sparsecode.checks import NotConverged
from sparsecode.choices import Backend, Gradient
from sparsecode.circular import convolve, correlate
from sparsecode.coded import Coded
from sparsecode.fista import fista
from sparsecode.lasso import lasso
from sparsecode.omp import omp
from sparsecode.online_dictionary import OnlineDictionary, update_atoms
from sparsecode.operators import Convolution, Dense, Operator
from sparsecode.patches import extract_patches
from sparsecode.tikhonov import tikhonov_split

__all__ = [
    "Backend",
    "CbpdnState",
    "Coded",
    "Convolution",
    "Dense",
    "Gradient",
    "NotConverged",
    "OnlineDictionary",
    "Operator",
    "cbpdn",
    "convolve",
    "correlate",
    "extract_patches",
    "fista",
    "lasso",
    "omp",
    "tikhonov_split",
    "update_atoms",
]
