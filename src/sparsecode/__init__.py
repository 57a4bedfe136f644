"""Sparse coding in torch: patches, LASSO, dictionary learning. Knows nothing of adversaries, Lightning or files."""

from sparsecode.checks import NotConverged
from sparsecode.choices import Backend, Gradient
from sparsecode.coded import Coded
from sparsecode.lasso import lasso
from sparsecode.omp import omp
from sparsecode.online_dictionary import OnlineDictionary, update_atoms
from sparsecode.patches import extract_patches

__all__ = [
    "Backend",
    "Coded",
    "Gradient",
    "NotConverged",
    "OnlineDictionary",
    "extract_patches",
    "lasso",
    "omp",
    "update_atoms",
]
