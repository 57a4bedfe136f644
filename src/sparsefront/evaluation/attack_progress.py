"""How far an evaluation is, over all samples and attacks."""

import time
from collections.abc import Callable, Sequence

from sparsefront.attacks import NamedAttack
from sparsefront.common.long_work import LongWork
from sparsefront.evaluation.expected_passes import expected_passes
from sparsefront.results.cost import Cost

ALMOST = 0.99  # of an attack on a batch that has made as many passes as were expected, and goes on
OFTEN = 0.1  # seconds


class AttackProgress:
    """One bar over samples x attacks, with one remaining time.

    Attacks differ a thousandfold in what they cost, so the bar goes by time: what an attack took a sample in the
    batches before, or, until it has been run once, the passes that its settings let expect. It moves with each query
    of a model, within an attack as well.

    Args:
        attacks: that are run on each sample, in this order.
        samples: how many this process will meet; None if nobody knows, and then there is no remaining time.
        shown: False says nothing.
        doing: what the bar says.
        clock: seconds, of any origin.
    """

    def __init__(
        self,
        attacks: Sequence[NamedAttack],
        samples: int | None,
        shown: bool = True,
        doing: str = "attacks",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.names, self.samples, self._clock = [named.name for named in attacks], samples, clock
        self.work = LongWork(doing, shown and bool(attacks))
        self._passes = {named.name: expected_passes(named) for named in attacks}
        self._seconds = dict.fromkeys(self.names, 0.0)
        self._met = dict.fromkeys(self.names, 0)
        self._skipped, self._shown = 0, clock()
        self._now: tuple[str, int, float, Cost, int] | None = None

    def skip(self, count: int) -> None:
        """Count samples that need no attack, because an interrupted evaluation has attacked them."""
        self._skipped += count

    def begin(self, name: str, count: int, cost: Cost) -> None:
        """An attack begins on a batch of so many samples; `cost` counts its passes."""
        self._now = (name, count, self._clock(), cost, cost.forwards + cost.backwards)

    def tick(self) -> None:
        """Move the bar, at most every tenth of a second; called whenever a model is asked."""
        if self.work.shown and self._clock() - self._shown > OFTEN:
            self._show()

    def end(self) -> None:
        """Count the batch as done; called when the attack has returned."""
        if self._now is None:
            return
        name, count, start, cost, before = self._now
        self._seconds[name] += self._clock() - start
        passes, met = self._passes[name], self._met[name]
        made = (cost.forwards + cost.backwards - before) / max(count, 1)
        self._met[name] += count
        self._passes[name] = made if not met else (passes * met + made * count) / self._met[name]
        self._now = None
        self._show()

    @property
    def share(self) -> float:
        """Share of the work that is done, in [0, 1]: by time where that is known, else by samples."""
        if self.samples is None:
            return 0.0
        done, left = sum(self._seconds.values()) + self._spent, self.remaining
        if left is not None:
            return done / (done + left) if done + left else 0.0
        return sum(self._met.values()) / max(self._total, 1)

    @property
    def remaining(self) -> float | None:
        """Seconds that it will still take; None as long as nothing lets tell."""
        if self.samples is None:
            return None
        rates = {name: self._rate(name) for name in self.names}
        if None in rates.values():
            return None
        units = {name: max(self.samples - self._skipped - self._met[name], 0) for name in self.names}
        left = sum(units[name] * (rates[name] or 0.0) for name in self.names)
        if self._now is not None:
            name, count = self._now[:2]
            left -= self._fraction * count * (rates[name] or 0.0)
        return max(left, 0.0)

    def close(self, *lines: str) -> None:
        """Close the bar; where there is no terminal, print these lines."""
        self.work.close(*lines)

    @property
    def _total(self) -> int:
        return max((self.samples or 0) - self._skipped, 0) * len(self.names)

    @property
    def _spent(self) -> float:
        """Seconds since the current attack began its batch; 0 between attacks."""
        return 0.0 if self._now is None else self._clock() - self._now[2]

    @property
    def _fraction(self) -> float:
        """Share of the current batch that is done, from the passes made and those expected; 0 between attacks."""
        if self._now is None:
            return 0.0
        name, count, _, cost, before = self._now
        expected = self._passes[name] * count
        made = cost.forwards + cost.backwards - before
        return min(made / expected, ALMOST) if expected > 0 else 0.0

    def _rate(self, name: str) -> float | None:
        """Seconds a sample: measured, else by its passes and what passes have taken so far."""
        if self._met[name]:
            return self._seconds[name] / self._met[name]
        seconds, passes = sum(self._seconds.values()), sum(self._passes[n] * self._met[n] for n in self.names)
        if not passes and self._now is not None:
            seconds, passes = self._spent, self._now[3].forwards + self._now[3].backwards - self._now[4]
        return self._passes[name] * seconds / passes if passes else None

    def _show(self) -> None:
        self._shown = self._clock()
        done = sum(self._met.values())
        name = f", {self._now[0]}" if self._now is not None else ""
        of = f" of {self._total}" if self.samples is not None else ""
        self.work.show(self.share, f"{done}{of} samples x {self.work.doing}{name}", self.remaining)
