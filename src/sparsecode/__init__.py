"""Sparse coding in torch: patches, LASSO, dictionary learning. Knows nothing of adversaries, Lightning or files."""

from sparsecode.lasso import lasso
from sparsecode.online_dictionary import OnlineDictionary, update_atoms
from sparsecode.patches import extract_patches

__all__ = ["OnlineDictionary", "extract_patches", "lasso", "update_atoms"]
