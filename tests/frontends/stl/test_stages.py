"""The stages in which STL learns."""

import pytest

from sparsefront.frontends.stl import STLClusterSettings, STLLearningSettings
from sparsefront.frontends.stl.stages import Stages

CLUSTERS = {"autoencoder_iterations": 5, "reference_iterations": 3}
CONSENSUS = STLLearningSettings(n_iterations=2, learner="consensus", n_passes=7)


@pytest.mark.parametrize(
    ("n_clusters", "checkpoint", "learning", "stages"),
    [
        (4, None, CONSENSUS, (5, 3, 2, 7)),
        (4, None, STLLearningSettings(n_iterations=2, n_passes=7), (5, 3, 2, 0)),
        (4, "other.ckpt", CONSENSUS, (0, 0, 2, 7)),
        (1, None, CONSENSUS, (0, 0, 2, 7)),
    ],
)
def test_clusters_are_found_only_where_there_are_several_and_none_are_given(n_clusters, checkpoint, learning, stages):
    clusters = STLClusterSettings(**CLUSTERS, strata_checkpoint=checkpoint)
    assert Stages.of(n_clusters, clusters, learning) == stages
