"""What the numbers say, in plain sentences."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sparsefront.common.joined_words import joined_words
from sparsefront.report.remedies import remedies
from sparsefront.report.row import worst_row
from sparsefront.report.unsearched import unsearched
from sparsefront.report.weights import other_settings
from sparsefront.results.attack_call import size_in_words
from sparsefront.results.finding import FEW, tolerated
from sparsefront.results.over_draws import OverDraws
from sparsefront.results.run import Run
from sparsefront.results.same_evaluation import unfinished
from sparsefront.results.samples import DRAWS
from sparsefront.results.share import Share


def headline(run: Run) -> str:
    """E.g. "TopT + ConvNet: 96.2 % clean, 12.0 % worst case under 6 attacks (n = 500); 95 % intervals ...".

    It ends in a caution where the worst case rests on no black box, or on no diagnostics, and in what came of samples
    that showed signs of hidden gradients.
    """
    return " ".join(filter(None, [_figures(run), reservation(run), remedies(run)]))


def _figures(run: Run) -> str:
    worst = worst_row(run)
    count = len(run.judging)
    if worst.robust is None:
        return f"{run.name}: {worst.clean} clean (95 % interval {_span(worst.clean)}, n = {run.n}); {worst.error}."
    failed = len(run.attacks) - len(run.completed)
    return (
        f"{run.name}: {worst.clean} clean, {worst.robust} worst case under {count} attack{'s' if count > 1 else ''} "
        f"({f'{failed} more failed; ' if failed else ''}n = {run.n}); 95 % intervals {_span(worst.clean)} and "
        f"{_span(worst.robust)}."
    )


def reservation(run: Run) -> str:
    """What the worst case rests on too little of, as a sentence; empty if there is nothing to say, or no worst case."""
    lacking = list(worst_row(run).lacking)
    if worst_row(run).robust is None:
        return ""
    if "no black box" not in lacking and len(run.balls) > 1:
        blind = [
            f"{ball.norm} {size_in_words(ball.size)}" for ball in run.balls if "no black box" in unsearched(run, ball)
        ]
        lacking = [*([f"no black box within {joined_words(blind, 'or')}"] if blind else []), *lacking]
    if not lacking:
        return ""
    return (
        f"Caution: this worst case rests on {joined_words(lacking)}; if gradients are masked, it may be far too good, "
        "and systems must not be compared by it."
    )


def cautions(runs: Sequence[Run]) -> list[str]:
    """Reasons not to take the numbers at their face; empty if none was found."""
    reasons = []
    for run in runs:
        failed = [attack.name for attack in run.attacks if attack.error is not None]
        if failed:
            reasons.append(
                f"{run.name}: {joined_words(failed)} failed; only what it brought down before could enter the worst "
                "case."
            )
        if undefined := int((run.samples.columns["clean_pred"] == -1).sum()):
            reasons.append(
                f"{run.name}: the model returned NaN for {undefined} of {run.n} clean images, which count as wrong; no "
                "attack on it says anything."
            )
        white = [attack.attack for attack in run.judging if attack.knowledge == "white_box"]
        if white and set(white) <= {"FGSM", "RFGSM"}:
            reasons.append(
                f"{run.name}: its only white-box attacks take a single step (FGSM), which says little of what one of "
                "many steps would find; add PGD."
            )
        if run.judging and not white:
            reasons.append(
                f"{run.name}: no white-box attack ran to its end, so an adversary who knows the defense may do far "
                "better than the worst case says."
            )
        reasons += _chains(run)
        reasons += _single_draws(run)
        if run.provenance.get("time_budget_reached"):
            reasons.append(
                f"{run.name}: stopped by its time budget: batches that would have begun after "
                f"{run.provenance['time_budget']:g} seconds were left out, and it is over {run.n} samples."
            )
        reasons += [] if (other := other_settings(run)) is None else [other]
        reasons += unfinished(run.name, run.provenance)
        reasons += [f"{run.name}, {sign['adversary']}: {sign['sentence']}" for sign in signs(run) if sign["raised"]]
    return [*reasons, *_powerless(runs), *_unlike(runs)]


def _chains(run: Run) -> Iterator[str]:
    """What rows of chains say, and what they do not."""
    if run.provenance.get("cascade"):
        yield (
            f"{run.name}: evaluated in cascade: each attack met only the samples that those above it left standing, so "
            "a row says what was left after it, not how strong it is."
        )
        return
    for chain in dict.fromkeys(attack.chain for attack in run.attacks if attack.chain is not None):
        yield (
            f"{run.name}: {chain} is a chain: each of its attacks met only the samples that those of it above left "
            "standing, so a row says what was left after it, not how strong it is."
        )


def _single_draws(run: Run) -> Iterator[str]:
    """Nobody averaged over the draws of a model that draws random numbers, and samples still stand."""
    names = [attack.name for attack in run.judging]
    averaged = any(one.averages_draws and run.samples.attacked(one.name).any() for one in run.judging)
    if run.provenance.get("randomised") and names and not averaged and run.samples.worst(names).any():
        yield (
            f"{run.name}: it draws random numbers, and no attack averaged over its draws (`eot_iter`), so that one who "
            "does may do far better than the worst case says."
        )


def _powerless(runs: Sequence[Run]) -> Iterator[str]:
    """Attacks within a ball that do nothing to an undefended system, of those that met all samples that are right."""
    for run in [run for run in runs if run.provenance.get("undefended")]:
        right = int(run.samples.correct().sum())
        for attack in [one for one in run.judging if one.budget is not None]:
            if int(run.samples.attacked(attack.name).sum()) < right:
                continue
            fooled = int(run.samples.success(attack.name).sum())
            if right > FEW and fooled <= tolerated(right):
                yield (
                    f"{attack.name} fools {fooled} of {right} samples of {run.name}, which nothing defends: its rows "
                    "say nothing of any system; give it a larger budget of steps or queries."
                )


def over_draws(run: Run) -> str | None:
    """Accuracy in one pass of a model that draws random numbers, clean and where each sample's worst attack is taken.

    None of any other model, or of one judged by a single draw.
    """
    draws, columns = int(run.provenance.get("draws") or 1), run.samples.columns
    if draws < 2 or f"clean_{DRAWS}" not in columns:
        return None
    shares = [columns[f"clean_{DRAWS}"], *(columns[f"{attack.name}/{DRAWS}"] for attack in run.judging)]
    clean, worst = OverDraws.of(shares[0], draws), OverDraws.of(np.fmin.reduce(shares), draws)
    return (
        f"{run.name}: a verdict is over {draws} draws of its random numbers; a single pass over these samples is right "
        f"on {clean} of them clean, and on {worst} of what each sample's worst attack made of them (95 %)."
    )


def signs(run: Run) -> list[dict[str, Any]]:
    """What was looked for as a sign of masked gradients: `flag`, `adversary`, `raised` and `sentence` of each."""
    return run.provenance.get("diagnostics") or []


def _unlike(runs: Sequence[Run]) -> list[str]:
    """Why systems may not be compared with each other."""
    first, *others = runs
    reasons = []
    for run in others:
        if run.provenance["data"] != first.provenance["data"] or run.stage != first.stage:
            reasons.append(
                f"{run.name} was evaluated on {run.provenance['data']} ({run.stage}), {first.name} on "
                f"{first.provenance['data']} ({first.stage}): do not compare their numbers."
            )
        elif not np.array_equal(_indices(run), _indices(first)):
            reasons.append(f"{run.name} and {first.name} were not evaluated on the same samples: compare with care.")
    return reasons


def _indices(run: Run) -> np.ndarray:
    indices: np.ndarray = np.sort(run.samples.columns["index"])
    return indices


def _span(share: Share) -> str:
    low, high = share.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"
