"""Sparse coding in torch: patches, LASSO, dictionary learning. Knows nothing of adversaries, Lightning or files."""

from sparsecode._choices import Backend, Gradient
from sparsecode._circular import convolve, correlate
from sparsecode.batch_learner import BatchLearner
from sparsecode.cbpdn import CbpdnState, cbpdn
from sparsecode.checks import NotConverged
from sparsecode.coded import Coded
from sparsecode.convolutional_consensus import ConsensusConvolutionalDictionary
from sparsecode.convolutional_dictionary import OnlineConvolutionalDictionary
from sparsecode.cut_patches import cut_patches, paste_patches
from sparsecode.ensure_kernel_cache import ensure_kernel_cache
from sparsecode.factorisation import Factorisation
from sparsecode.fista import fista
from sparsecode.full_precision import full_precision
from sparsecode.l1_ball import constrained_lasso, project_onto_l1_ball
from sparsecode.largest_magnitudes import largest_magnitudes
from sparsecode.lasso import lasso
from sparsecode.lca import lca
from sparsecode.method_of_optimal_directions import MethodOfOptimalDirections
from sparsecode.omp import omp
from sparsecode.online_dictionary import OnlineDictionary
from sparsecode.operators import Convolution, Dense, Operator
from sparsecode.overcomplete_dct import overcomplete_dct
from sparsecode.patch_grid import PatchGrid
from sparsecode.patches import average_patches, extract_patches
from sparsecode.sample_patches import sample_patches
from sparsecode.sparse_conv_transpose2d import sparse_conv_transpose2d
from sparsecode.tikhonov import tikhonov_split
from sparsecode.update_atoms import update_atoms
from sparsecode.value_with_gradient_of import value_with_gradient_of

__all__ = [
    "Backend",
    "BatchLearner",
    "CbpdnState",
    "Coded",
    "ConsensusConvolutionalDictionary",
    "Convolution",
    "Dense",
    "Factorisation",
    "Gradient",
    "MethodOfOptimalDirections",
    "NotConverged",
    "OnlineConvolutionalDictionary",
    "OnlineDictionary",
    "Operator",
    "PatchGrid",
    "average_patches",
    "cbpdn",
    "constrained_lasso",
    "convolve",
    "correlate",
    "cut_patches",
    "ensure_kernel_cache",
    "extract_patches",
    "fista",
    "full_precision",
    "largest_magnitudes",
    "lasso",
    "lca",
    "omp",
    "overcomplete_dct",
    "paste_patches",
    "project_onto_l1_ball",
    "sample_patches",
    "sparse_conv_transpose2d",
    "tikhonov_split",
    "update_atoms",
    "value_with_gradient_of",
]
