"""Several systems, fitted and tested into one folder: from a file, along an axis, or from Python."""

from sparsefront.studies.study import Study
from sparsefront.studies.study_file import read_study
from sparsefront.studies.system import Layer, System

__all__ = ["Layer", "Study", "System", "read_study"]
