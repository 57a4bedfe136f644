"""The energy of stacked layers of locally competing neurons, its dynamics and its minimum."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from frontends.joint_operator import Block, Child, JointOperator
from sparsecode import Convolution, Dense, Operator
from sparsecode.accelerated import accelerate, unroll
from sparsecode.implicit import differentiate_implicitly

FeedbackOn = Literal["potential", "code"]

_WIDEST_SPECTRUM = 64  # channels times squared stride up to which the engine's bound is cheap
_POWERS = 30
_LOOK_EVERY = 10  # steps of Euler's method between two looks at which signals are at rest


@dataclass(frozen=True)
class Level:
    """A layer with its dictionary.

    Attributes:
        atoms: (K, C, h, w), filters, or (K, m), fully connected.
        shape: (C, H, W) or (m,) of what it reconstructs.
        lmbda: its threshold.
        bound: of the largest eigenvalue of D^T D.
        below: numbers of the levels whose codes it reconstructs, side by side; none: it reconstructs a signal.
        feedback: beta.
        stride: of filters.
        padding: of filters.
    """

    atoms: Tensor
    shape: tuple[int, ...]
    lmbda: float
    bound: float
    below: tuple[int, ...] = ()
    feedback: float = 0.0
    stride: int = 1
    padding: tuple[int, int] = (0, 0)

    def operator(self, scale: float = 1.0) -> Operator:
        """`scale` times D."""
        atoms = self.atoms if scale == 1 else scale * self.atoms
        if atoms.ndim == 2:
            return Dense(atoms.T)
        return Convolution(atoms, (self.shape[1], self.shape[2]), self.stride, self.padding)


class Hierarchy:
    """Layers that each reconstruct the codes below them, a tree whose leaves reconstruct signals.

    Every layer l has potentials u_l, a code a_l = threshold(u_l, lmbda_l) and a residual r_l = s_l - D_l a_l, where s_l
    is the signal it reads or the code of the layer below. With the parent p of l, and the part t_l of its
    reconstruction D_p a_p that is l's, the dynamics are equations 4 to 6 of paper 003,

        tau u_l' = D_l^T s_l - u_l - (D_l^T D_l a_l - a_l) - beta_l (u_l - t_l)
                 = D_l^T r_l - beta_l (a_l - t_l) - m_l (u_l - a_l),    m_l = 1 + beta_l,

    or, pulling the code a_l in the place of the potential u_l, the same with m_l = 1. Where neurons are active,
    u_l - a_l = lmbda_l sign(a_l), so with weights w that obey w_p = beta_l w_l the right side is -1 / w_l times the
    derivative by a_l of

        E = sum_l w_l (1/2 ||s_l - D_l a_l||^2 + m_l lmbda_l ||a_l||_1),

    and E falls: dE/dt = -tau sum_l w_l ||u_l'||^2 over the active neurons. A layer without one above has m = 1. E is
    convex in all codes together, and the dynamics rest exactly where it is least. With all beta = 1 the weights are 1.

    Where beta_l = 0 nothing comes down from p: l and what lies under it minimise their own energy, and p reads the code
    they end with. The tree falls apart into groups, solved from below, and E is the energy of each.

    A code is at `rest` up to a tolerance where none of its entries would move by more than that times its threshold if
    its potential were in balance with the codes as they are, |threshold(a + (D^T r - beta (a - t)) / m) - a|.

    Args:
        levels: each after those below it.
        positive: potentials below 0 give no code.
        feedback_on: what is pulled.

    Attributes:
        sizes: numbers of codes of each level; codes and potentials are (N, sum of `sizes`), level by level.
    """

    def __init__(self, levels: Sequence[Level], positive: bool = True, feedback_on: FeedbackOn = "potential") -> None:
        self.levels, self.positive = list(levels), positive
        self.operators = [level.operator() for level in levels]
        self.sizes = [prod(operator.code_shape) for operator in self.operators]
        self.parents: list[int | None] = [None] * len(levels)
        self.slots = [slice(0, 0)] * len(levels)  # of a level's code among those that its parent reconstructs
        for number, level in enumerate(levels):
            first = 0
            for child in level.below:
                self.parents[child], self.slots[child] = number, slice(first, first + self.sizes[child])
                first += self.sizes[child]
        self.pulls = [
            0.0 if parent is None else level.feedback for level, parent in zip(levels, self.parents, strict=True)
        ]
        self.masses = [1 + pull if feedback_on == "potential" else 1.0 for pull in self.pulls]
        self.groups = self._groups()
        self.weights = [1.0] * len(levels)
        for group in self.groups:
            for number in reversed(group[:-1]):
                self.weights[number] = self.weights[self._parent(number)] / self.pulls[number]
            lowest = self.weights[group[0]]  # which weighs 1, as in equation 3
            for number in group:
                self.weights[number] /= lowest

    def _parent(self, number: int) -> int:
        parent = self.parents[number]
        assert parent is not None
        return parent

    def _groups(self) -> list[list[int]]:
        """Levels that feedback joins, each group after those it reads."""
        tops = list(range(len(self.levels)))
        for number in reversed(tops):
            if self.pulls[number]:
                tops[number] = tops[self._parent(number)]
        return [[number for number, top in enumerate(tops) if top == group] for group in sorted(set(tops))]

    def split(self, codes: Tensor) -> list[Tensor]:
        """(N, sum of `sizes`) -> (N, *code_shape) of each level, views."""
        parts = codes.split(self.sizes, dim=1)
        return [part.unflatten(1, op.code_shape) for part, op in zip(parts, self.operators, strict=True)]

    def given(self, signals: Sequence[Tensor]) -> list[Tensor | None]:
        """Signals in the order of the levels that read them -> one entry a level, None for those with levels below."""
        own = iter(signals)
        return [None if level.below else next(own) for level in self.levels]

    def inputs(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> list[Tensor]:
        """What each level reconstructs, (N, *shape): its signal, or the codes below it."""
        found = []
        for level, signal in zip(self.levels, signals, strict=True):
            below = [codes[child].flatten(1) for child in level.below]
            if signal is None:
                signal = below[0] if len(below) == 1 else torch.cat(below, dim=1)
            found.append(signal.reshape(len(signal), *level.shape))
        return found

    def residuals(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> list[Tensor]:
        """r_l of each level, (N, *shape)."""
        return [
            below - operator.synthesise(code)
            for below, operator, code in zip(self.inputs(codes, signals), self.operators, codes, strict=True)
        ]

    def energy(self, codes: Tensor, signals: Sequence[Tensor | None]) -> Tensor:
        """E of (N, sum of `sizes`) codes; (N, number of groups)."""
        parts = self.split(codes)
        costs = [
            weight * (residual.flatten(1).square().sum(dim=1) / 2 + mass * level.lmbda * part.flatten(1).abs().sum(1))
            for weight, mass, level, part, residual in zip(
                self.weights, self.masses, self.levels, parts, self.residuals(parts, signals), strict=True
            )
        ]
        return torch.stack([sum((costs[number] for number in group), codes.new_zeros(())) for group in self.groups], 1)

    def threshold(self, potentials: Tensor) -> Tensor:
        """Potentials -> codes, both (N, sum of `sizes`)."""
        parts = zip(potentials.split(self.sizes, dim=1), self.levels, strict=True)
        return torch.cat([shrink(part, level.lmbda, self.positive) for part, level in parts], dim=1)

    def drive(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> list[Tensor]:
        """D_l^T r_l - beta_l (a_l - t_l) of each level, flat: -1 / w_l times the derivative of E without its norms."""
        residuals = self.residuals(codes, signals)
        found = []
        for number, (operator, residual) in enumerate(zip(self.operators, residuals, strict=True)):
            up = operator.analyse(residual).flatten(1)
            if self.pulls[number]:
                down = residuals[self._parent(number)].flatten(1)[:, self.slots[number]]
                up = torch.sub(up, down, alpha=self.pulls[number])
            found.append(up)
        return found

    def unrest(self, codes: Sequence[Tensor], drive: Sequence[Tensor]) -> Tensor:
        """The largest move of a code entry that is not at rest, in thresholds, (N,)."""
        distances = [
            self._distance(number, part.flatten(1), up)
            for number, (part, up) in enumerate(zip(codes, drive, strict=True))
        ]
        return torch.stack(distances).amax(dim=0)

    def balance(self, codes: Tensor, signals: Sequence[Tensor | None]) -> Tensor:
        """The potentials that stay while the codes do, (N, sum of `sizes`)."""
        parts = self.split(codes)
        moves = [
            torch.add(part.flatten(1), up, alpha=1 / mass)
            for part, up, mass in zip(parts, self.drive(parts, signals), self.masses, strict=True)
        ]
        return torch.cat(moves, dim=1)

    # the published dynamics

    def tau(self) -> float:
        """A time constant, in steps, at which Euler's method is stable: the shortest that is sure to be."""
        # In sqrt(w) a the dynamics are the descent of E.
        bounds = [
            self._operator(group, [self.weights[number] ** 0.5 for number in group]).lipschitz()
            for group in self.groups
        ]
        return max(*bounds, *self.masses)

    def step(self, potentials: Tensor, signals: Sequence[Tensor | None], tau: float) -> Tensor:
        """Potentials (N, sum of `sizes`) one step of Euler's method later, of all levels at once."""
        return self._step(potentials, signals, tau, look=False)[0]

    def _step(
        self, potentials: Tensor, signals: Sequence[Tensor | None], tau: float, look: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The same, and how far from rest the codes were, if one looks."""
        codes = self.threshold(potentials)
        parts = self.split(codes)
        drive = self.drive(parts, signals)
        beyond = (potentials - codes).split(self.sizes, dim=1)
        force = [torch.sub(up, over, alpha=mass) for up, over, mass in zip(drive, beyond, self.masses, strict=True)]
        moved = torch.add(potentials, torch.cat(force, dim=1), alpha=1 / tau)
        return moved, self.unrest(parts, drive) if look else None

    @torch.no_grad()
    def settle(
        self, potentials: Tensor, signals: Sequence[Tensor | None], tau: float, tolerance: float, max_steps: int
    ) -> tuple[Tensor, Tensor]:
        """Run the dynamics to rest.

        Memory does not grow with the steps. A signal at rest leaves the computation, whatever the others do.

        Args:
            potentials: (N, sum of `sizes`) to start from.
            signals: of each level, None for those that have one below.
            tau: time constant in steps.
            tolerance: of rest.
            max_steps: most steps.

        Returns:
            Codes, and bool (N,): which rest.
        """
        settled = potentials.clone()
        converged = torch.zeros(len(potentials), dtype=torch.bool, device=potentials.device)
        left, u, given = torch.arange(len(potentials), device=potentials.device), potentials, list(signals)
        for step in range(max_steps + 1):
            moved, unrest = self._step(u, given, tau, look=step % _LOOK_EVERY == 0 or step == max_steps)
            if unrest is not None:
                rests = unrest <= tolerance
                settled[left], converged[left] = u, rests
                if rests.all() or step == max_steps:
                    break
                if rests.any():
                    left, moved = left[~rests], moved[~rests]
                    given = [None if signal is None else signal[~rests] for signal in given]
            u = moved
        return self.threshold(settled), converged

    def repeat(self, codes: Tensor, signals: Sequence[Tensor | None], tau: float, steps: int) -> Tensor:
        """Codes at rest with the gradient, with respect to the signals, of the last steps of Euler's method there."""
        with torch.no_grad():
            potentials = self.balance(codes, signals)
        for _ in range(steps):
            potentials = self.step(potentials, signals, tau)
        moved = self.threshold(potentials)
        return codes + (moved - moved.detach())  # what is added is exactly 0

    # the default solver

    @torch.no_grad()
    def minimise(
        self, start: Tensor, signals: Sequence[Tensor | None], tolerance: float, max_steps: int, max_bytes: int
    ) -> tuple[Tensor, Tensor]:
        """Minimise E group by group, by accelerated proximal steps in all codes of a group together.

        Args:
            start: codes (N, sum of `sizes`) to start from.
            signals: of each level, None for those that have one below.
            tolerance: of rest.
            max_steps: most steps of a group.
            max_bytes: working memory.

        Returns:
            Codes, and bool (N,): which rest.
        """
        parts = list(start.split(self.sizes, dim=1))
        converged = torch.ones(len(start), dtype=torch.bool, device=start.device)
        for group in self.groups:
            scales = self._scales(group)
            found, rests = accelerate(
                self._target(group, parts, signals),
                self._operator(group, scales),
                torch.cat([scale * parts[number] for number, scale in zip(group, scales, strict=True)], dim=1),
                prox=self._prox(group, scales, start),
                gap=lambda b, slack, *_, group=group, scales=scales: self._unrest(group, scales, b, slack),
                polish=None,
                tolerance=tolerance,
                max_steps=max_steps,
                max_bytes=max_bytes,
            )
            converged &= rests
            for number, part in self._unscaled(group, scales, found):
                parts[number] = part
        return torch.cat(parts, dim=1), converged

    def differentiate(
        self, codes: Tensor, signals: Sequence[Tensor | None], unrolled_steps: int | None, max_bytes: int
    ) -> Tensor:
        """Give minimising codes a gradient with respect to the signals.

        Args:
            codes: (N, sum of `sizes`), as from `minimise`.
            signals: with their graph.
            unrolled_steps: through so many proximal steps begun at the codes; absent: through the conditions that the
                codes meet on their support, group by group.
            max_bytes: working memory of the backward pass.

        Returns:
            The same codes.
        """
        parts = list(codes.split(self.sizes, dim=1))
        for group in self.groups:
            scales = self._scales(group)
            operator, target = self._operator(group, scales), self._target(group, parts, signals)
            b = torch.cat([scale * parts[number] for number, scale in zip(group, scales, strict=True)], dim=1)
            if unrolled_steps is None:
                b = differentiate_implicitly(b, target, operator, max_bytes=max_bytes)
            else:
                b = unroll(b, target, operator, self._prox(group, scales, codes), unrolled_steps)
            for number, part in self._unscaled(group, scales, b):
                parts[number] = parts[number] + (part - part.detach())  # what is added is exactly 0
        return torch.cat(parts, dim=1)

    def _scales(self, group: Sequence[int]) -> list[float]:
        """c_l of b_l = c_l a_l.

        With the square root of the bounds E would be as steep in every level. But sparse codes hardly feel the
        steepest directions of a level, such as the mean that many atoms share; half of that serves better.
        """
        return [
            self.weights[number] ** 0.5 * (self.levels[number].bound + self.pulls[number]) ** 0.25 for number in group
        ]

    def _operator(self, group: Sequence[int], scales: Sequence[float]) -> JointOperator:
        """The energy of a group is 1/2 ||target - operator b||^2 + sum_l w_l m_l lmbda_l / c_l ||b_l||_1."""
        place = {number: index for index, number in enumerate(group)}
        blocks = []
        for number, scale in zip(group, scales, strict=True):
            level, root = self.levels[number], self.weights[number] ** 0.5
            children = tuple(
                Child(place[child], self.slots[child], root / scales[place[child]])
                for child in level.below
                if child in place
            )
            blocks.append(Block(level.operator(root / scale), root / scale * level.bound**0.5, children))
        return JointOperator(blocks)

    def _target(self, group: Sequence[int], parts: Sequence[Tensor], signals: Sequence[Tensor | None]) -> Tensor:
        """What the levels of a group reconstruct beside each other's codes."""
        rows = []
        for number in group:
            level, signal = self.levels[number], signals[number]
            below = [signal] if signal is not None else [
                torch.zeros_like(parts[child]) if child in group else parts[child] for child in level.below
            ]  # fmt: skip
            rows += [self.weights[number] ** 0.5 * part.flatten(1) for part in below]
        return torch.cat(rows, dim=1)

    def _prox(self, group: Sequence[int], scales: Sequence[float], like: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        by = torch.cat(
            [
                like.new_full(
                    (self.sizes[number],),
                    self.weights[number] * self.masses[number] * self.levels[number].lmbda / scale,
                )
                for number, scale in zip(group, scales, strict=True)
            ]
        )

        def positive(points: Tensor, size: Tensor) -> Tensor:
            return torch.addcmul(points, size, by, value=-1).clamp_min_(0)

        def signed(points: Tensor, size: Tensor) -> Tensor:
            bound = size * by
            return points - points.clamp(-bound, bound)

        return positive if self.positive else signed

    def _unscaled(self, group: Sequence[int], scales: Sequence[float], codes: Tensor) -> Iterator[tuple[int, Tensor]]:
        """(number, codes) of each level of a group."""
        parts = codes.split([self.sizes[number] for number in group], dim=1)
        for number, scale, part in zip(group, scales, parts, strict=True):
            yield number, part / scale

    def _unrest(self, group: Sequence[int], scales: Sequence[float], codes: Tensor, slack: Tensor) -> Tensor:
        """As `unrest`, from b and the slack of its least squares."""
        ups = self._unscaled(group, [self.weights[n] / scale for n, scale in zip(group, scales, strict=True)], slack)
        found = [
            self._distance(number, part, up)
            for (number, part), (_, up) in zip(self._unscaled(group, scales, codes), ups, strict=True)
        ]
        return torch.stack(found).amax(dim=0)

    def _distance(self, number: int, code: Tensor, up: Tensor) -> Tensor:
        """Of flat codes of one level from rest, in thresholds, (N,)."""
        lmbda = self.levels[number].lmbda
        moved = shrink(torch.add(code, up, alpha=1 / self.masses[number]), lmbda, self.positive)
        return (moved - code).abs().amax(dim=1) / lmbda


def shrink(points: Tensor, by: float, positive: bool) -> Tensor:
    """The soft threshold."""
    return (points - by).clamp_min(0) if positive else F.softshrink(points, by)


def bound_of(atoms: Tensor, shape: Sequence[int], stride: int, padding: tuple[int, int]) -> float:
    """Upper bound of the largest eigenvalue of D^T D, for filters (K, C, h, w) on (C, H, W) or atoms (K, m).

    Where filters have many channels, the engine's bound costs too much. Then: D^T D is a convolution of codes, whose
    matrix at any frequency is, entry by entry, at most the sum of its kernel's magnitudes. This is close where atoms
    are positive, as those of positive codes are.
    """
    if atoms.ndim == 2:
        return Dense(atoms.T).lipschitz()
    if atoms.shape[1] * stride**2 <= _WIDEST_SPECTRUM:
        return Convolution(atoms, (shape[1], shape[2]), stride, padding).lipschitz()
    reach = [(taps - 1) // stride * stride for taps in atoms.shape[2:]]
    kernel = F.conv2d(atoms, atoms, stride=stride, padding=reach).abs().sum(dim=(2, 3))
    vector = torch.ones_like(kernel[0])
    for _ in range(_POWERS):
        vector = kernel @ vector / vector.norm()
    # Of a matrix without negative entries no positive vector's largest ratio is below the largest eigenvalue.
    return float((kernel @ vector / vector).max()) * (1 + 1e-4)  # for rounding
