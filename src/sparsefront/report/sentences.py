"""What the numbers say, in plain sentences."""

from collections.abc import Sequence

import numpy as np

from sparsefront.report.attack_record import AttackRecord, size_in_words
from sparsefront.report.row import worst_row
from sparsefront.report.run import Run
from sparsefront.report.share import Share


def headline(run: Run) -> str:
    """E.g. "TopT + ConvNet: 96.2 % clean, 12.0 % worst case under 6 attacks (n = 500); 95 % intervals ..."."""
    worst = worst_row(run)
    count = len(run.completed)
    if worst.robust is None:
        return f"{run.name}: {worst.clean} clean (95 % interval {_span(worst.clean)}, n = {run.n}); {worst.error}."
    failed = len(run.attacks) - count
    return (
        f"{run.name}: {worst.clean} clean, {worst.robust} worst case under {count} attack{'s' if count > 1 else ''} "
        f"({f'{failed} more failed; ' if failed else ''}n = {run.n}); 95 % intervals {_span(worst.clean)} and "
        f"{_span(worst.robust)}."
    )


def cautions(runs: Sequence[Run]) -> list[str]:
    """Reasons not to take the numbers at their face; empty if none was found."""
    found = []
    for run in runs:
        failed = [attack.name for attack in run.attacks if attack.error is not None]
        if failed:
            found.append(f"{run.name}: {_listed(failed)} failed and so did not enter the worst case.")
        white = [attack.attack for attack in run.completed if attack.knowledge == "white_box"]
        if white and set(white) == {"FGSM"}:
            found.append(
                f"{run.name}: its only white-box attacks take a single step (FGSM), which says little of what one of "
                "many steps would find; add PGD."
            )
        if run.completed and not white:
            found.append(
                f"{run.name}: no white-box attack ran to its end, so an adversary who knows the defense may do far "
                "better than the worst case says."
            )
        found += masked_gradients(run)
    return found + _unlike(runs)


def masked_gradients(run: Run) -> list[str]:
    """A sentence for each weaker-knowing attack that beat the white box at the same norm and eps.

    Counted are samples that were right and are wrong under attack; the white-box attacks count together, sample by
    sample. Whoever knows more can do no worse by right, so this is a sign of gradients that mislead the attack.
    Source: Athalye, Carlini & Wagner (2018), Obfuscated Gradients Give a False Sense of Security, section 3.1.
    """
    groups: dict[tuple[str, float], list[AttackRecord]] = {}
    for attack in run.completed:
        if attack.budget is not None:
            groups.setdefault(attack.budget, []).append(attack)
    found = []
    for (norm, eps), attacks in groups.items():
        white = [_fooled(run, attack) for attack in attacks if attack.knowledge == "white_box"]
        if not white:
            continue
        by_white = int(np.logical_or.reduce(white).sum())
        for attack in attacks:
            by_other = int(_fooled(run, attack).sum())
            if attack.knowledge != "white_box" and by_other > by_white:
                words = attack.knowledge.replace("_", " ")
                found.append(
                    f"{run.name}: at {norm} {size_in_words(eps)} the white-box attacks fooled {by_white} of "
                    f"{int(run.right().sum())} samples, but {attack.name} ({words}), which knows less, fooled "
                    f"{by_other}: gradients may be masked, and the white-box numbers too good."
                )
    return found


def _fooled(run: Run, attack: AttackRecord) -> np.ndarray:
    return run.right() & ~run.right(attack.name)


def _unlike(runs: Sequence[Run]) -> list[str]:
    """Why systems may not be compared with each other."""
    first, *others = runs
    found = []
    for run in others:
        if run.about["data"] != first.about["data"] or run.stage != first.stage:
            found.append(
                f"{run.name} was evaluated on {run.about['data']} ({run.stage}), {first.name} on "
                f"{first.about['data']} ({first.stage}): do not compare their numbers."
            )
        elif not np.array_equal(np.sort(run.samples["index"]), np.sort(first.samples["index"])):
            found.append(f"{run.name} and {first.name} were not evaluated on the same samples: compare with care.")
    return found


def _span(share: Share) -> str:
    low, high = share.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
