"""The rows of the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparsefront.common.budget import Budget
from sparsefront.report.unsearched import unsearched
from sparsefront.results.attack_call import size_in_words
from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.run import Run
from sparsefront.results.share import Share

CLEAN, WORST = "no attack", "worst case"  # names beside those of attacks


@dataclass(frozen=True)
class Row:
    """One attack on one system, or the worst case over several.

    Attributes:
        system: name of the system.
        attack: name of the attack, or "worst ...".
        knowledge: "white_box", "gray_box", "transfer", or "" over all of them.
        adversary: knowledge and backward mode in words; for a worst case, over how many attacks it is.
        clean: share of all samples that are right without attack.
        robust: share of *all* samples that are right, and still are under attack; None if the attack failed or met no
            sample.
        success: share of the samples that were right for which the attack reached its goal; None if it failed, met no
            sample, or nothing was right. (A worst case counts those that fell to any of its attacks.)
        linf: mean max |perturbation| over the successful samples, [0, 1] pixel units; None if there are none.
        l2: mean Euclidean size over the successful samples, [0, 1] pixel units; None if there are none.
        linf_median: the median likewise.
        l2_median: the median likewise.
        psnr: mean peak signal-to-noise ratio in dB of what the classifier sees, of clean and of adversarial images,
            against the clean ones; None where it sees codes.
        ssim: mean structural similarity likewise.
        seconds: time taken, or None if unknown.
        forwards: images through the model for each sample attacked, or None if unknown.
        backwards: gradients for each sample attacked, or None if unknown.
        error: what stopped the attack, or None.
        is_worst: whether this is a worst case.
        in_worst_case: whether the attack enters the worst case.
        attacked: count of the samples that the attack met; None of a worst case or an attack that failed.
        chain: attacks of one chain met only what those before them left; None of one that met all, and of a worst case.
        lacking: what a worst case over all adversaries, or over those inside a ball, does not rest on.
    """

    system: str
    attack: str
    knowledge: str
    adversary: str
    clean: Share
    robust: Share | None = None
    success: Share | None = None
    linf: float | None = None
    l2: float | None = None
    linf_median: float | None = None
    l2_median: float | None = None
    psnr: tuple[float, float] | None = None
    ssim: tuple[float, float] | None = None
    seconds: float | None = None
    forwards: float | None = None
    backwards: float | None = None
    error: str | None = None
    is_worst: bool = False
    in_worst_case: bool = True
    attacked: int | None = None
    chain: str | None = None
    lacking: tuple[str, ...] = ()

    @property
    def unmet(self) -> bool:
        """Whether the attack ran but no sample was left for it, so that it says nothing."""
        return self.attacked == 0

    @property
    def n(self) -> int:
        """How many samples the row is over."""
        return self.clean.total


def rows_of(run: Run) -> list[Row]:
    """A row an attack, then the worst cases.

    Where several kinds of adversary were tried, each kind with several attacks has a worst case of its own; the last
    row is the worst case over all. In a worst case a sample counts only if it is right clean and under every attack;
    controls and attacks that minimise a norm without a bound do not enter, and of attacks that failed only what they
    had brought down before. Where attacks kept to several balls, each ball has a worst case of its own: a sample counts
    unless any adversary, bounded by it or not, found a perturbation inside it.
    """
    rows = [_attack_row(run, attack) for attack in run.attacks]
    kinds = list(dict.fromkeys(attack.knowledge for attack in run.judging))
    for kind in kinds if len(kinds) > 1 else []:
        of_kind = [attack for attack in run.judging if attack.knowledge == kind]
        if len(of_kind) > 1:
            rows.append(_worst_row(run, of_kind, f"worst {kind.replace('_', ' ')}", kind))
    rows += [_worst_inside(run, ball) for ball in run.balls] if len(run.balls) > 1 and not _chains_of_balls(run) else []
    return [*rows, worst_row(run)]


def _chains_of_balls(run: Run) -> bool:
    """Whether attacks of several balls are in one chain: what fell in one of them was not looked at in the others."""
    cascade = bool(run.provenance.get("cascade"))
    chains = {
        ("cascade" if cascade else attack.chain, attack.ball) for attack in run.judging if cascade or attack.chain
    }
    return len(chains) > len({chain for chain, _ in chains})


def worst_row(run: Run) -> Row:
    """The worst case over all attacks that ran to their end and enter it; no robust accuracy if there are none."""
    return _worst_row(run, run.judging, WORST, "")


def _attack_row(run: Run, attack: AttackRecord) -> Row:
    clean = _clean(run)
    row = Row(
        run.name,
        attack.name,
        attack.knowledge,
        attack.adversary,
        clean,
        seconds=attack.seconds,
        forwards=attack.forwards_each,
        backwards=attack.backwards_each,
        in_worst_case=attack.in_worst_case,
        chain=attack.chain,
    )
    if attack.error is not None:
        return replace(row, error=attack.error)
    row = replace(row, attacked=int(run.samples.attacked(attack.name).sum()))
    if row.unmet:
        return row
    fallen = run.samples.success(attack.name)
    linf, l2 = (run.samples.columns[f"{attack.name}/{norm}"][fallen] for norm in ("linf", "l2"))
    return replace(
        row,
        robust=Share(int(run.samples.correct(attack.name).sum()), run.n),
        success=Share(int(fallen.sum()), clean.hits) if clean.hits else None,
        linf=_over_known(np.mean, linf),
        l2=_over_known(np.mean, l2),
        linf_median=_over_known(np.median, linf),
        l2_median=_over_known(np.median, l2),
        psnr=_quality(run, attack.name, "psnr"),
        ssim=_quality(run, attack.name, "ssim"),
    )


def _quality(run: Run, attack: str, name: str) -> tuple[float, float] | None:
    """Means over the samples attacked, of clean and of adversarial images."""
    absent = np.full(run.n, np.nan)
    adversarial = run.samples.columns.get(f"{attack}/{name}", absent)
    attacked = ~np.isnan(adversarial)
    clean = run.samples.columns.get(f"clean_{name}", absent)
    return (float(clean[attacked].mean()), float(adversarial[attacked].mean())) if attacked.any() else None


def _worst_row(run: Run, attacks: Sequence[AttackRecord], name: str, kind: str) -> Row:
    clean = _clean(run)
    row = Row(run.name, name, kind, "", clean, is_worst=True)
    if not attacks:
        return replace(row, error=_why_none(run))
    names = [attack.name for attack in attacks]
    held = int((run.samples.standing(names) if kind else run.samples.worst(names)).sum())
    times = [attack.seconds for attack in attacks if attack.seconds is not None]
    return replace(
        row,
        adversary=f"over {len(attacks)} attack{'s' if len(attacks) > 1 else ''}",
        robust=Share(held, run.n),
        success=Share(clean.hits - held, clean.hits) if clean.hits else None,
        seconds=sum(times) if times else None,
        lacking=() if kind else tuple(unsearched(run)),
    )


def _worst_inside(run: Run, ball: Budget) -> Row:
    attacks = [attack for attack in run.completed if attack.knowledge != "control"]
    clean = _clean(run)
    names = [attack.name for attack in attacks]
    held = int(run.samples.standing_inside(names, ball.norm, ball.size).sum())
    return Row(
        run.name,
        f"worst {ball.norm} {size_in_words(ball.size)}",
        "",
        f"over {len(attacks)} attacks",
        clean,
        robust=Share(held, run.n),
        success=Share(clean.hits - held, clean.hits) if clean.hits else None,
        is_worst=True,
        lacking=tuple(unsearched(run, ball)),
    )


def _clean(run: Run) -> Share:
    return Share(int(run.samples.correct().sum()), run.n)


def _why_none(run: Run) -> str:
    if run.completed:
        return "no attack that enters the worst case ran to its end"
    return "no attack ran to its end" if run.attacks else "no attack was asked for"


def _over_known(mean: Callable[[np.ndarray], np.floating], sizes: np.ndarray) -> float | None:
    known = sizes[~np.isnan(sizes)]
    return float(mean(known)) if known.size else None
