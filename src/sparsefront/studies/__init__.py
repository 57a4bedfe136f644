"""Several systems, fitted and tested one after the other from one YAML file."""

from sparsefront.studies.study_file import read_study
from sparsefront.studies.system import Layer, System

__all__ = ["Layer", "System", "read_study"]
