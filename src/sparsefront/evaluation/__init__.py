"""Honest evaluation: attacks in validation and test, kept sample by sample."""

from sparsefront.evaluation.robust_evaluation import RobustEvaluation
from sparsefront.results.samples import Samples

__all__ = ["RobustEvaluation", "Samples"]
