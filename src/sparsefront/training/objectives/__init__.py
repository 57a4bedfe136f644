"""What a model is trained for: the contract, and the objectives that YAML names by their class."""

from sparsefront.training.objectives.cross_entropy import CrossEntropy
from sparsefront.training.objectives.default_objective import default_objective
from sparsefront.training.objectives.objective import Objective
from sparsefront.training.objectives.solved_read_out import SolvedReadOut
from sparsefront.training.objectives.trained_model import TrainedModel
from sparsefront.training.objectives.training_step import TrainingStep

__all__ = ["CrossEntropy", "Objective", "SolvedReadOut", "TrainedModel", "TrainingStep", "default_objective"]
