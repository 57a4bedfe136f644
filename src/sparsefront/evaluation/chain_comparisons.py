"""What attacks that know less find in chains, where attacks that know more found nothing."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from sparsefront.attacks import NamedAttack
from sparsefront.common.joined_words import joined_words
from sparsefront.results.finding import Finding, tolerated
from sparsefront.results.samples import Samples

_FLAGS = {"black_box": "black_box_stronger", "gray_box": "transfer_stronger", "transfer": "transfer_stronger"}


def follows_gradients(named: NamedAttack) -> bool:
    """Whether it is a white-box attack that gets all that it gets by gradients, which masked ones would weaken."""
    return named.knowledge == "white_box" and named.attack.by_gradient


def compare_chains(attacks: Sequence[NamedAttack], samples: Samples) -> Iterator[Finding]:
    """Samples that fell to an adversary who knows less after every white box before it in the chain had failed.

    A finding for each chain, ball and kind of adversary, of the attacks that met samples after a white box of the same
    ball did. Raised where such samples are more than chance explains.
    """
    chained = [named for named in attacks if named.chain is not None and named.attack.budget is not None]
    met = [named for named in chained if named.name in samples.attacks and samples.attacked(named.name).any()]
    for _, links in groupby(sorted(met, key=_place), key=_place):
        chain = list(links)
        for knowledge in _FLAGS:
            lesser = [named for named in _after_white_boxes(chain) if named.knowledge == knowledge]
            if lesser:
                white = [named for named in chain[: chain.index(lesser[0])] if follows_gradients(named)]
                yield _finding(knowledge, lesser, white, samples)


def _after_white_boxes(chain: list[NamedAttack]) -> list[NamedAttack]:
    """Those of a chain from the first white box on; none if there is none."""
    return chain[next((place for place, named in enumerate(chain) if follows_gradients(named)), len(chain)) :]


def _place(named: NamedAttack) -> tuple[str, str]:
    """Its chain and its ball: those of one ball stay in their order."""
    return str(named.chain), repr(named.attack.budget)


def _finding(knowledge: str, lesser: Sequence[NamedAttack], white: Sequence[NamedAttack], samples: Samples) -> Finding:
    fell = [samples.attacked(one.name) & samples.correct() & ~samples.correct(one.name) for one in lesser]
    count, total = int(np.logical_or.reduce(fell).sum()), int(samples.correct().sum())
    raised = count > tolerated(total)
    rows, others = (joined_words([named.name for named in some]) for some in (lesser, white))
    verb = "brings" if len(lesser) == 1 else "bring"
    sentence = f"{rows} {verb} down {count} of {total} samples that {others} had left standing"
    meaning = ": gradients did not show the way there, and may be masked."
    return Finding(_FLAGS[knowledge], knowledge.replace("_", " "), raised, sentence + (meaning if raised else "."))
