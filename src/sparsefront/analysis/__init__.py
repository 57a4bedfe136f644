"""What a classifier's last hidden layer makes of images and of their variants (paper 003, section 4)."""

from sparsefront.analysis.class_moments import ClassMoments, class_moments
from sparsefront.analysis.distance import representation_distance
from sparsefront.analysis.hidden import Hidden, last_hidden
from sparsefront.analysis.indicator import indicator, strongest
from sparsefront.analysis.representations import Representations

__all__ = [
    "ClassMoments",
    "Hidden",
    "Representations",
    "class_moments",
    "indicator",
    "last_hidden",
    "representation_distance",
    "strongest",
]
