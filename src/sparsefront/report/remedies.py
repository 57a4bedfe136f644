"""What came of the samples that showed signs of hidden gradients."""

import numpy as np

from sparsefront.common.joined_words import joined_words
from sparsefront.results.run import Run
from sparsefront.results.samples import SIGN


def remedies(run: Run) -> str:
    """In one sentence which signs samples showed, what was tried on them, what fell to it, and how many still stand.

    It begins with "Caution" where some do. Tried on such a sample are the attacks that are meant for those that show a
    sign (`NamedAttack.where`) and those that ask for answers alone. Empty where no attack looked for a sign, or no
    sample showed one.
    """
    samples, correct = run.samples, run.samples.correct()
    asked = [name for name in samples.columns if name.startswith(SIGN)]
    shown = {name.removeprefix(SIGN): correct & (samples.columns[name] == 1) for name in asked}
    flagged = np.logical_or.reduce([np.zeros_like(correct), *shown.values()])
    if not (count := int(flagged.sum())):
        return ""
    meant = [attack.name for attack in run.judging if attack.where or attack.asks_only]
    tried = [name for name in meant if (flagged & samples.attacked(name)).any()]
    fell = np.logical_or.reduce(
        [np.zeros_like(correct), *(samples.attacked(name) & ~samples.correct(name) for name in tried)]
    )
    standing = flagged & samples.worst([attack.name for attack in run.judging])
    mended, left = int((flagged & fell).sum()), int(standing.sum())
    signs = joined_words([sign for sign, showing in shown.items() if showing.any()])
    others = f", other attacks {count - mended - left}" if count > mended + left else ""
    what = f"{joined_words(tried)} brought down {mended} of these" if tried else "no remedy for it ran to its end"
    end = f"{left} still stand, which an attack that was not tried may bring down" if left else "none still stands"
    start = "Caution: signs" if left else "Signs"
    return (
        f"{start} of hidden gradients ({signs}) on {count} of {int(correct.sum())} samples: {what}{others}, and {end}."
    )
