"""Sparse coding in torch: patches, LASSO, dictionary learning. Knows nothing of adversaries, Lightning or files."""

from sparsecode._choices import Backend, Gradient
from sparsecode._circular import convolve, correlate
from sparsecode.cbpdn import CbpdnState, cbpdn
from sparsecode.checks import NotConverged
from sparsecode.coded import Coded
from sparsecode.convolutional_consensus import ConsensusConvolutionalDictionary
from sparsecode.convolutional_dictionary import OnlineConvolutionalDictionary
from sparsecode.fista import fista
from sparsecode.l1_ball import constrained_lasso, project_onto_l1_ball
from sparsecode.lasso import lasso
from sparsecode.lca import lca
from sparsecode.lca_layer import LCALayer
from sparsecode.method_of_optimal_directions import MethodOfOptimalDirections
from sparsecode.omp import omp
from sparsecode.online_dictionary import OnlineDictionary
from sparsecode.operators import Convolution, Dense, Operator
from sparsecode.patches import average_patches, extract_patches
from sparsecode.sample_patches import sample_patches
from sparsecode.tikhonov import tikhonov_split
from sparsecode.update_atoms import update_atoms

__all__ = [
    "Backend",
    "CbpdnState",
    "Coded",
    "ConsensusConvolutionalDictionary",
    "Convolution",
    "Dense",
    "Gradient",
    "LCALayer",
    "MethodOfOptimalDirections",
    "NotConverged",
    "OnlineConvolutionalDictionary",
    "OnlineDictionary",
    "Operator",
    "average_patches",
    "cbpdn",
    "constrained_lasso",
    "convolve",
    "correlate",
    "extract_patches",
    "fista",
    "lasso",
    "lca",
    "omp",
    "project_onto_l1_ball",
    "sample_patches",
    "tikhonov_split",
    "update_atoms",
]
