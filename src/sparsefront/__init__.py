"""Train classifiers behind sparse-coding front ends and tell the truth about how robust they are."""

from sparsefront.defended import DefendedClassifier
from sparsefront.evaluation import RobustEvaluation
from sparsefront.frontend_cache import FrontEndCache
from sparsefront.stage_one import learn_front_end

__all__ = ["DefendedClassifier", "FrontEndCache", "RobustEvaluation", "learn_front_end"]
