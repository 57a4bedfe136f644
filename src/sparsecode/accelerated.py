"""Accelerated proximal gradient steps, what FISTA and the projected gradient share."""

from collections.abc import Callable

import torch
from torch import Tensor

from sparsecode.operators import Operator
from sparsecode.working_memory import signals_at_once

# Steps between two looks at the gap, each of which costs one step.
_LOOK_EVERY = 10


def accelerate(
    signals: Tensor,
    operator: Operator,
    start: Tensor,
    *,
    prox: Callable[[Tensor, float], Tensor],
    gap: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
    polish: Callable[[Tensor, Tensor], Tensor] | None,
    tolerance: float,
    max_steps: int,
    max_bytes: int,
) -> tuple[Tensor, Tensor]:
    """Minimise 1/2 ||y - D s||^2 + penalty(s) for every signal y (Beck and Teboulle 2009).

    s+ = prox(z + D^T (y - D z) / L), z+ = s+ + (t - 1) / t+ (s+ - s), t+ = (1 + sqrt(1 + 4 t^2)) / 2. A signal's
    momentum restarts when it points uphill (O'Donoghue and Candes 2015, gradient scheme). A signal whose gap is at
    most `tolerance` leaves the computation, whatever the others do.

    Args:
        signals: (N, *operator.signal_shape).
        operator: D.
        start: (N, *operator.code_shape).
        prox: (codes, step size) -> codes, of the step size times the penalty.
        gap: (codes, their slack D^T (y - D s), residual y - D s, signals) -> relative duality gaps (N,).
        polish: (codes, slack) -> codes of an objective that is no higher, tried where the gap is looked at and the
            signs are those of the last look.
        tolerance: relative gap at which a signal is done.
        max_steps: most steps.
        max_bytes: working memory; the batch is split to stay below it.

    Returns:
        Codes (N, *operator.code_shape), and bool (N,): which reached the tolerance.
    """
    codes = start.clone()
    done = torch.zeros(len(signals), dtype=torch.bool, device=signals.device)
    size = 1 / operator.lipschitz()
    number, at_once = signals_at_once(signals, operator, max_bytes)
    for first in range(0, len(signals), number):
        part = slice(first, first + number)
        run = _Run(signals[part], codes[part], operator, size, prox, gap, polish, tolerance, at_once)
        run.to_the_end(codes[part], done[part], max_steps)
    return codes, done


class _Run:
    """The signals that go on, compact: codes s, extrapolated codes z, momenta t, and codes at the last look."""

    def __init__(
        self,
        signals: Tensor,
        start: Tensor,
        operator: Operator,
        size: float,
        prox: Callable[[Tensor, float], Tensor],
        gap: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        polish: Callable[[Tensor, Tensor], Tensor] | None,
        tolerance: float,
        at_once: int,
    ) -> None:
        self.operator, self.size, self.prox, self.gap, self.polish = operator, size, prox, gap, polish
        self.tolerance, self.at_once = tolerance, at_once
        self.signals, self.s, self.z, self.seen = signals, start.clone(), start.clone(), start.clone()
        self.t = signals.new_ones(len(signals), *[1] * len(operator.code_shape))

    def to_the_end(self, codes: Tensor, done: Tensor, max_steps: int) -> None:
        """Fill `codes`, and `done` with which reached the tolerance."""
        active = torch.arange(len(codes), device=codes.device)
        for step in range(0, max_steps + _LOOK_EVERY, _LOOK_EVERY):
            finished = torch.cat([self._look(part) for part in self._parts()])
            done[active[finished]] = True
            if step >= max_steps:
                break
            if finished.any():
                codes[active[finished]] = self.s[finished]
                going = ~finished
                self.signals, self.s, self.z, self.t, self.seen = (
                    kept[going] for kept in (self.signals, self.s, self.z, self.t, self.seen)
                )
                active = active[going]
            if not len(active):
                return
            for part in self._parts():
                self._advance(part, min(_LOOK_EVERY, max_steps - step))
        codes[active] = self.s

    def _parts(self) -> list[slice]:
        return [slice(first, first + self.at_once) for first in range(0, max(len(self.s), 1), self.at_once)]

    def _look(self, part: slice) -> Tensor:
        """Which signals are done, (n,); the others are polished."""
        s = self.s[part]
        residual = self.signals[part] - self.operator.synthesise(s)
        slack = self.operator.analyse(residual)
        finished = self.gap(s, slack, residual, self.signals[part]) <= self.tolerance
        if self.polish is not None:
            stable = (s.sign() == self.seen[part].sign()).flatten(1).all(dim=1)
            self.seen[part] = s
            rows = (stable & ~finished).nonzero().squeeze(1)
            polished = self.polish(s[rows], slack[rows])
            moved = (polished != s[rows]).flatten(1).any(dim=1)
            rows, polished = rows[moved], polished[moved]
            for kept in (self.s, self.z, self.seen):
                kept[part][rows] = polished
            self.t[part][rows] = 1
        return finished

    def _advance(self, part: slice, steps: int) -> None:
        signals, s, z, t = self.signals[part], self.s[part], self.z[part], self.t[part]
        for _ in range(steps):
            s, z, t = _step(signals, self.operator, s, z, t, self.size, self.prox)
        self.s[part], self.z[part], self.t[part] = s, z, t


def unroll(
    codes: Tensor, signals: Tensor, operator: Operator, prox: Callable[[Tensor, float], Tensor], steps: int
) -> Tensor:
    """Steps from a solution that autograd follows; their number bounds its memory and the gradient's error."""
    size = 1 / operator.lipschitz()
    s = z = codes
    t = torch.ones_like(codes[(slice(None), *[slice(1)] * (codes.ndim - 1))])
    for _ in range(steps):
        s, z, t = _step(signals, operator, s, z, t, size, prox)
    return s


def _step(
    signals: Tensor,
    operator: Operator,
    s: Tensor,
    z: Tensor,
    t: Tensor,
    size: float,
    prox: Callable[[Tensor, float], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """One step from codes s, extrapolated codes z and momentum t (N, 1, ...)."""
    across = tuple(range(1, s.ndim))
    new = prox(z + size * operator.analyse(signals - operator.synthesise(z)), size)
    moved = new - s
    uphill = ((z - new) * moved).sum(dim=across, keepdim=True) > 0
    t = torch.where(uphill, 1.0, t)
    t_next = (1 + (1 + 4 * t.square()).sqrt()) / 2
    momentum = torch.where(uphill, 0.0, (t - 1) / t_next)
    return new, torch.addcmul(new, momentum, moved), t_next
