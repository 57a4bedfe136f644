"""Stratified convolutional sparse coding (paper 002), in several files."""

from sparsefront.frontends.stl.cluster_settings import STLClusterSettings
from sparsefront.frontends.stl.code_settings import STLCodeSettings
from sparsefront.frontends.stl.learning_settings import STLLearningSettings
from sparsefront.frontends.stl.stl import STL

__all__ = ["STL", "STLClusterSettings", "STLCodeSettings", "STLLearningSettings"]
