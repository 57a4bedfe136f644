"""Accelerated proximal gradient steps, what FISTA and the projected gradient share."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sparsecode._working_memory import signals_at_once
from sparsecode.operators import Operator
from sparsecode.value_with_gradient_of import value_with_gradient_of

# Steps between two looks at the gap, each of which costs half a step.
_LOOK_EVERY = 10
_PATIENCE = 20  # looks without a gap half as large, after which a signal beyond its precision is left
# How much longer a step may be than the last, at first; and how much shorter it gets when it was too long.
_GROWTH, _SHRINKAGE = 0.1, 0.5

Prox = Callable[[Tensor, Tensor], Tensor]
Gap = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
Polish = Callable[[Tensor, Tensor], Tensor]


def accelerate(
    signals: Tensor,
    operator: Operator,
    start: Tensor,
    *,
    prox: Prox,
    gap: Gap,
    polish: Polish | None,
    tolerance: float,
    max_steps: int,
    max_bytes: int,
    at_least: int = 1,
    hopeless: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Minimise 1/2 ||y - D s||^2 + penalty(s) for every signal y (Beck and Teboulle 2009).

    s+ = prox(z + size D^T (y - D z)), z+ = s+ + (t - 1) / t+ (s+ - s), t+ = (1 + sqrt(1 + 4 t^2)) / 2. A signal's
    momentum restarts when it points uphill (O'Donoghue and Candes 2015, gradient scheme).

    A sparse code feels only a few atoms, which bend its objective far less than all of them do. So each signal's size
    starts at 1 / L and grows, and a step whose size turns out to exceed ||s+ - z||^2 / ||D (s+ - z)||^2, beyond which
    the objective may rise, is taken back and halved; growth slows with the number of those. D s is kept beside s, so
    that this costs no product.

    A signal whose gap is at most `tolerance` leaves the computation, whatever the others do.

    Args:
        signals: (N, *operator.signal_shape).
        operator: D.
        start: (N, *operator.code_shape); overwritten.
        prox: (codes, step sizes (N, 1, ...)) -> new codes, of the step size times the penalty.
        gap: (codes, their slack D^T (y - D s), residual y - D s, signals) -> relative duality gaps (N,).
        polish: (codes, slack) -> codes of an objective that is no higher, tried where the gap is looked at and the
            signs are those of the last look.
        tolerance: relative gap at which a signal is done.
        max_steps: most steps.
        max_bytes: working memory; the batch is split to stay below it.
        hopeless: bool (N,), signals whose gap rounding keeps from the tolerance; one of these leaves, unfinished, once
            its gap has not halved in `_PATIENCE` looks.
        at_least: signals to take steps with in one go where memory allows, even if a CPU's caches hold fewer.

    Returns:
        Codes (N, *operator.code_shape), and bool (N,): which reached the tolerance.
    """
    codes = start
    done = torch.zeros(len(signals), dtype=torch.bool, device=signals.device)
    least = 1 / max(operator.lipschitz(), torch.finfo(signals.dtype).tiny)  # a zero dictionary has no slope
    hopeless = torch.zeros_like(done) if hopeless is None else hopeless
    number, at_once = signals_at_once(signals, operator, max_bytes)
    at_once = min(number, max(at_once, at_least))
    for first in range(0, len(signals), number):
        part = slice(first, first + number)
        codes[part] = prox(codes[part], codes.new_zeros(()))  # to where the penalty is finite
        run = _Run(signals[part], codes[part], operator, least, prox, gap, polish, tolerance, at_once)
        run.hopeless = hopeless[part]
        run.to_the_end(codes[part], done[part], max_steps)
    return codes, done


def unroll(codes: Tensor, signals: Tensor, operator: Operator, prox: Prox, steps: int) -> Tensor:
    """The codes, with the gradient of steps from them; the steps' number bounds its memory and its error.

    Their size is 1 / L and their momentum never restarts: at a solution both would follow rounding errors.
    """
    least = 1 / max(operator.lipschitz(), torch.finfo(codes.dtype).tiny)
    size = codes.new_full((len(codes), *[1] * (codes.ndim - 1)), least)
    s = z = codes
    t = 1.0
    for _ in range(steps):
        new = prox(z + size * operator.analyse(signals - operator.synthesise(z)), size)
        t_next = (1 + (1 + 4 * t**2) ** 0.5) / 2
        z = new + (t - 1) / t_next * (new - s)
        s, t = new, t_next
    return value_with_gradient_of(s, codes)


class _Iterate(NamedTuple):
    """Where the steps are: the fields' first dimension is the signals'."""

    s: Tensor  # codes
    image: Tensor  # D s
    z: Tensor  # extrapolated codes
    image_z: Tensor  # D z
    t: Tensor  # momentum, (N, 1, ...)
    size: Tensor  # of the next step, (N, 1, ...)
    failures: Tensor  # steps taken back, (N, 1, ...)

    def select(self, chosen: Tensor | slice) -> "_Iterate":
        return _Iterate(*(field[chosen] for field in self))

    def overwrite(self, chosen: slice, by: "_Iterate") -> None:
        for field, new in zip(self, by, strict=True):
            field[chosen] = new


def _begin(codes: Tensor, operator: Operator, least: float) -> _Iterate:
    one = codes.new_ones(len(codes), *[1] * (codes.ndim - 1))
    image = operator.synthesise(codes)
    return _Iterate(codes, image, codes, image, one, least * one, torch.zeros_like(one))


def _step(at: _Iterate, signals: Tensor, operator: Operator, prox: Prox, least: float, room: "_Room") -> _Iterate:
    """The next iterate; the large fields of `at` are overwritten, but for `s` and `image`, which become room."""
    s, image, z, image_z, t, size, failures = at
    torch.sub(signals, image_z, out=room.image)
    new = prox(torch.addcmul(z, size, operator.analyse(room.image), out=room.code), size)
    new_image = operator.synthesise(new)
    bend = _squares(torch.sub(new_image, image_z, out=image_z)).view_as(t)
    ahead, moved = torch.sub(new, z, out=z), torch.sub(new, s, out=room.code)
    too_long = (size * bend > (1 + 1e-4) * _squares(ahead).view_as(t)) & (size > 1.001 * least)
    restart = too_long | (_products(ahead, moved).view_as(t) < 0)
    t = torch.where(restart, 1.0, t)
    t_next = (1 + (1 + 4 * t.square()).sqrt()) / 2
    momentum = torch.where(restart, 0.0, (t - 1) / t_next)
    failures = failures + too_long
    size = torch.where(too_long, _SHRINKAGE * size, (1 + _GROWTH / (1 + failures)) * size).clamp_min(least)
    moved_image = torch.sub(new_image, image, out=room.image)
    if too_long.any():
        back = too_long.flatten()
        new[back], new_image[back] = s[back], image[back]
    torch.addcmul(new, momentum, moved, out=z)  # of those taken back the momentum is 0
    torch.addcmul(new_image, _like(momentum, image), moved_image, out=image_z)
    return _Iterate(new, new_image, z, image_z, t_next, size, failures)


def _squares(points: Tensor) -> Tensor:
    """The squared norm of each, (N,)."""
    squares: Tensor = torch.linalg.vector_norm(points.flatten(1), dim=1).square()
    return squares


def _products(these: Tensor, those: Tensor) -> Tensor:
    """The inner product of each pair, (N,)."""
    products: Tensor = torch.linalg.vecdot(these.flatten(1), those.flatten(1))
    return products


def _like(each: Tensor, images: Tensor) -> Tensor:
    """(N, 1, ...) of codes -> (N, 1, ...) of images."""
    return each.view(-1, *[1] * (images.ndim - 1))


class _Room(NamedTuple):
    """What steps write between, so that they ask for no fresh memory."""

    code: Tensor
    image: Tensor


class _Run:
    """The signals that go on, compact, and what solves them."""

    def __init__(
        self,
        signals: Tensor,
        start: Tensor,
        operator: Operator,
        least: float,
        prox: Prox,
        gap: Gap,
        polish: Polish | None,
        tolerance: float,
        at_once: int,
    ) -> None:
        self.operator, self.least, self.prox, self.gap, self.polish = operator, least, prox, gap, polish
        self.tolerance, self.at_once = tolerance, at_once
        self.signals, self.seen = signals, start.clone()  # codes at the last look
        self.hopeless = torch.zeros(len(signals), dtype=torch.bool, device=signals.device)
        self.at = _Iterate(*(field.clone() for field in _begin(start, operator, least)))

    def to_the_end(self, codes: Tensor, done: Tensor, max_steps: int) -> None:
        """Fill `codes`, and `done` with which reached the tolerance."""
        active = torch.arange(len(codes), device=codes.device)
        halved, waited = codes.new_full((len(codes),), torch.inf), torch.zeros_like(active)
        for step in range(0, max_steps + _LOOK_EVERY, _LOOK_EVERY):
            gaps = torch.cat([self._look(part) for part in self._parts()])
            codes[active], done[active] = self.at.s, gaps <= self.tolerance
            better = gaps < halved / 2
            halved, waited = torch.where(better, gaps, halved), torch.where(better, 0, waited + 1)
            leaving = (gaps <= self.tolerance) | (self.hopeless & (waited > _PATIENCE))
            if step >= max_steps or leaving.all():
                return
            if leaving.any():
                going = ~leaving
                active, self.signals, self.seen = active[going], self.signals[going], self.seen[going]
                self.hopeless, halved, waited = self.hopeless[going], halved[going], waited[going]
                self.at = self.at.select(going)
            for part in self._parts():
                at, signals = self.at.select(part), self.signals[part]
                room = _Room(torch.empty_like(at.s), torch.empty_like(at.image))
                for _ in range(min(_LOOK_EVERY, max_steps - step)):
                    at = _step(at, signals, self.operator, self.prox, self.least, room)
                self.at.overwrite(part, at)

    def _parts(self) -> list[slice]:
        return [slice(first, first + self.at_once) for first in range(0, len(self.signals), self.at_once)]

    def _look(self, part: slice) -> Tensor:
        """The signals' gaps, (n,); codes of those that are not done are polished."""
        at, signals = self.at.select(part), self.signals[part]
        residual = signals - at.image
        slack = self.operator.analyse(residual)
        gaps = self.gap(at.s, slack, residual, signals)
        finished = gaps <= self.tolerance
        if self.polish is not None:
            stable = (at.s.sign() == self.seen[part].sign()).flatten(1).all(dim=1)
            self.seen[part] = at.s
            rows = (stable & ~finished).nonzero().squeeze(1)
            polished = self.polish(at.s[rows], slack[rows])
            moved = (polished != at.s[rows]).flatten(1).any(dim=1)
            rows, polished = rows[moved], polished[moved]
            image = self.operator.synthesise(polished)
            at.s[rows], at.z[rows], self.seen[part][rows] = polished, polished, polished
            at.image[rows], at.image_z[rows], at.t[rows] = image, image, 1.0
        return gaps
