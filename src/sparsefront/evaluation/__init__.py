"""Honest evaluation: attacks in validation and test, kept sample by sample."""

from sparsefront.evaluation.quiet import under_attack
from sparsefront.evaluation.robust_evaluation import RobustEvaluation
from sparsefront.evaluation.samples import Samples

__all__ = ["RobustEvaluation", "Samples", "under_attack"]
