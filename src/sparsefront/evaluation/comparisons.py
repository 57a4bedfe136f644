"""Rows that should be ordered and are not."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from sparsefront.attacks import Budget, NamedAttack
from sparsefront.evaluation.chain_comparisons import compare_chains, follows_gradients
from sparsefront.results.finding import Finding, adversary_of, tolerated
from sparsefront.results.samples import NORMS, Samples

# Smallest perturbations are compared up to a tenth: where a search ends is no sharper.
_SMALLER = 0.9
_MASKED = "gradients may be masked, and the white-box numbers too good"
_NO_ATTACK = "the attacks are no better than chance"
_SHOULD_BE_WEAKER = {
    "black_box": ("black_box_stronger", _MASKED),
    "gray_box": ("transfer_stronger", _MASKED),
    "transfer": ("transfer_stronger", _MASKED),
    "control": ("noise_stronger", _NO_ATTACK),
}


def compare_rows(attacks: Sequence[NamedAttack], samples: Samples) -> list[Finding]:
    """Whoever knows or does more can do no worse by right: attacks of one budget, or that minimise one norm.

    Those of a chain met other samples each, and are compared with what those before them left standing.
    """
    ran = [named for named in attacks if named.name in samples.attacks and named.chain is None]
    bounded, smallest = defaultdict(list), defaultdict(list)
    for named in ran:
        if named.attack.budget is not None:
            bounded[named.attack.budget].append(named)
        if named.attack.minimises is not None:
            smallest[named.attack.minimises].append(named)
    findings: list[Finding] = []
    for budget, group in bounded.items():
        findings += [*_single_steps(budget, group, samples), *_by_success(budget, group, samples)]
    for norm, group in smallest.items():
        findings += _by_size(norm, group, samples)
    return [*findings, *compare_chains(attacks, samples)]


def _white(group: Sequence[NamedAttack]) -> list[NamedAttack]:
    return [named for named in group if follows_gradients(named)]


def _single_steps(budget: Budget, group: Sequence[NamedAttack], samples: Samples) -> Iterator[Finding]:
    """A single step against all attacks of many steps through the same view."""
    for single in [named for named in _white(group) if named.attack.single_step]:
        same = [named for named in _white(group) if repr(named.view) == repr(single.view)]
        many = [named for named in same if not named.attack.single_step]
        meaning = "its gradient misleads after the first step"
        if many:
            yield _compared("single_step_stronger", adversary_of(single.view), budget, samples, single, many, meaning)


def _by_success(budget: Budget, group: Sequence[NamedAttack], samples: Samples) -> Iterator[Finding]:
    """Who knows less, or is no adversary, against all white boxes together."""
    for named in group if _white(group) else []:
        if named.knowledge in _SHOULD_BE_WEAKER:
            flag, meaning = _SHOULD_BE_WEAKER[named.knowledge]
            adversary = named.knowledge.replace("_", " ")
            yield _compared(flag, adversary, budget, samples, named, _white(group), meaning)


def _compared(
    flag: str,
    adversary: str,
    budget: Budget,
    samples: Samples,
    weaker: NamedAttack,
    stronger: Sequence[NamedAttack],
    meaning: str,
) -> Finding:
    """Raised where one attack fools more samples than chance explains beside the others together, sample by sample.

    Noise that does as well as an attack is too strong already.
    """
    correct = samples.correct()
    total = int(correct.sum())
    alone = int((correct & ~samples.correct(weaker.name)).sum())
    together = int((correct & ~samples.standing([named.name for named in stronger])).sum())
    raised = alone > together + tolerated(total)
    if weaker.knowledge == "control":
        raised = alone >= together > tolerated(total)
    where = f"{budget.norm} {budget.size:.4g}{' of the image' if budget.relative else ''}"
    sentence = f"at {where} {weaker.name} fools {alone} of {total} samples and {_names(stronger)} {together}"
    return Finding(flag, adversary, raised, f"{sentence}: {meaning}." if raised else f"{sentence}.")


def _by_size(norm: str, group: Sequence[NamedAttack], samples: Samples) -> Iterator[Finding]:
    """Who knows less, or is no adversary, against the smallest perturbation of all white boxes, sample by sample."""
    white = _white(group)
    total = int(samples.correct().sum())
    for named in [named for named in group if white and named.knowledge in _SHOULD_BE_WEAKER]:
        flag, meaning = _SHOULD_BE_WEAKER[named.knowledge]
        least = np.minimum.reduce([_sizes(other, norm, samples) for other in white])
        sizes = _sizes(named, norm, samples)
        control = named.knowledge == "control"
        smaller = (sizes <= least) if control else (sizes < _SMALLER * least)
        count = int((smaller & np.isfinite(sizes)).sum())
        verb = "fools with an" if control else "finds a smaller"
        size = f"{norm} size no larger" if control else f"{norm} perturbation"
        sentence = f"{named.name} {verb} {size} than {_names(white)} on {count} of {total} samples"
        raised = count > tolerated(total)
        sentence = f"{sentence}: {meaning}." if raised else f"{sentence}."
        yield Finding(flag, named.knowledge.replace("_", " "), raised, sentence)


def _sizes(named: NamedAttack, norm: str, samples: Samples) -> np.ndarray:
    """Of the perturbations that succeeded (N,); infinite elsewhere."""
    column = next(key for key, of in NORMS.items() if of == norm)
    return np.where(samples.success(named.name), samples.columns[f"{named.name}/{column}"], np.inf)


def _names(attacks: Sequence[NamedAttack]) -> str:
    return ", ".join(named.name for named in attacks)
