"""Whether a model tells anything apart."""

import numpy as np

from sparsefront.results.finding import Finding
from sparsefront.results.samples import Samples
from sparsefront.results.share import Share


def majority_baseline(samples: Samples) -> Finding:
    """Clean accuracy against that of always answering the most frequent label, which no attack can change.

    Raised where its 95 % interval does not lie above.
    """
    clean = Share(int(samples.correct().sum()), len(samples))
    label = samples.columns["label"].astype(np.int64)
    baseline = np.bincount(label).max().item() / len(label)
    low, high = clean.interval
    raised = low <= baseline
    sentence = (
        f"{100 * clean.value:.1f} % of the clean images are right (95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f} %), one and the same answer to all would be in {100 * baseline:.1f} %"
    )
    meaning = "what stands may stand because little is told apart"
    return Finding("no_better_than_one_class", "clean images", raised, sentence + (f": {meaning}." if raised else "."))
