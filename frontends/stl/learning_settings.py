"""How STL learns the filters of its clusters, as settings."""

from dataclasses import dataclass
from typing import Literal, get_args

from sparsefront.common.rules import at_least, check_rules, one_of
from sparsefront.common.settings import checked_settings

LearnerName = Literal["online", "consensus"]


@checked_settings
@dataclass(frozen=True)
class STLLearningSettings:
    """How `STL` learns the filters of its clusters.

    Attributes:
        n_iterations: batches filters learn from (ours).
        learner: `online`, from a stream of batches, or `consensus`, the paper's ADMM over images that are kept.
        n_kept_images: of a cluster, with `consensus`; each takes K C H W numbers of memory.
        n_passes: over them, with `consensus`.

    Raises:
        ValueError: a number out of its range, or another learner.
    """

    n_iterations: int = 200
    learner: LearnerName = "online"
    n_kept_images: int = 50
    n_passes: int = 20

    def __post_init__(self) -> None:
        rules = at_least(1, n_iterations=self.n_iterations, n_kept_images=self.n_kept_images, n_passes=self.n_passes)
        check_rules([*rules, *one_of(get_args(LearnerName), learner=self.learner)])
