"""The energy of stacked layers of locally competing neurons."""

from collections.abc import Sequence
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from sparsecode.hierarchy._overlaps import Overlaps
from sparsecode.hierarchy.solved_layer import SolvedLayer
from sparsecode.lca_dynamics import FeedbackOn


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

    def __init__(
        self, levels: Sequence[SolvedLayer], positive: bool = True, feedback_on: FeedbackOn = "potential"
    ) -> None:
        self.levels, self.positive = list(levels), positive
        self.operators = [level.operator() for level in levels]
        self.sizes = [prod(operator.code_shape) for operator in self.operators]
        self.parents: dict[int, int] = {}
        self.slots: dict[int, slice] = {}  # of a level's code among those that its parent reconstructs
        for index, level in enumerate(levels):
            first = 0
            for child in level.below:
                self.parents[child] = index
                self.slots[child] = slice(first, first + self.sizes[child])
                first += self.sizes[child]
        self.pulls = [level.feedback if index in self.parents else 0.0 for index, level in enumerate(levels)]
        self.masses = [1 + pull if feedback_on == "potential" else 1.0 for pull in self.pulls]
        self.groups = self._groups()
        self.weights = [1.0] * len(levels)
        for group in self.groups:
            for index in reversed(group[:-1]):
                self.weights[index] = self.weights[self.parents[index]] / self.pulls[index]
            lowest = self.weights[group[0]]  # which weighs 1, as in equation 3
            for index in group:
                self.weights[index] /= lowest

    def _groups(self) -> list[list[int]]:
        """Levels that feedback joins, each group after those it reads."""
        tops = list(range(len(self.levels)))
        for index in reversed(tops):
            if self.pulls[index]:
                tops[index] = tops[self.parents[index]]
        return [[index for index, top in enumerate(tops) if top == group] for group in sorted(set(tops))]

    def can_be_compiled(self, max_bytes: int) -> bool:
        """Whether kernels can work with these layers, on a CPU in single or double precision, in so many bytes."""
        atoms = self.levels[0].atoms
        plain = all(len(level.below) < 2 or level.atoms.ndim == 2 for level in self.levels)
        known = atoms.device.type == "cpu" and atoms.dtype in (torch.float32, torch.float64)
        return plain and known and Overlaps.n_bytes(self.levels) <= max_bytes

    @cached_property
    def overlaps(self) -> list[Overlaps]:
        """What the kernels know of each group; made when first asked for."""
        return [
            Overlaps(self.levels, group, self.slots, self.pulls, self.masses, self.positive) for group in self.groups
        ]

    def split(self, codes: Tensor) -> list[Tensor]:
        """(N, sum of `sizes`) -> (N, *code_shape) of each level, views."""
        flat = codes.split(self.sizes, dim=1)
        return [code.unflatten(1, operator.code_shape) for code, operator in zip(flat, self.operators, strict=True)]

    def atoms_last(self, levels: Sequence[int], codes: Tensor) -> Tensor:
        """Flat codes of some levels side by side, (K, h, w) each, as kernels have them: (h, w, K) each."""
        return self._turned(levels, codes, atoms_first=True)

    def atoms_first(self, levels: Sequence[int], codes: Tensor) -> Tensor:
        """Back."""
        return self._turned(levels, codes, atoms_first=False)

    def _turned(self, levels: Sequence[int], codes: Tensor, atoms_first: bool) -> Tensor:
        turned = []
        for index, part in zip(levels, codes.split([self.sizes[n] for n in levels], dim=1), strict=True):
            n_atoms = self.operators[index].code_shape[0]
            n_places = self.sizes[index] // n_atoms
            shape = (n_atoms, n_places) if atoms_first else (n_places, n_atoms)
            turned.append(part.view(len(part), *shape).transpose(1, 2).flatten(1))
        return torch.cat(turned, dim=1)

    def given(self, signals: Sequence[Tensor]) -> list[Tensor | None]:
        """Signals in the order of the levels that read them -> one entry a level, None for those with levels below."""
        unread = iter(signals)
        return [None if level.below else next(unread) for level in self.levels]

    def inputs(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> list[Tensor]:
        """What each level reconstructs, (N, *shape): its signal, or the codes below it."""
        inputs = []
        for level, signal in zip(self.levels, signals, strict=True):
            below = [codes[child].flatten(1) for child in level.below]
            if signal is None:
                signal = below[0] if len(below) == 1 else torch.cat(below, dim=1)
            inputs.append(signal.reshape(len(signal), *level.shape))
        return inputs

    def residuals(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> list[Tensor]:
        """r_l of each level, (N, *shape)."""
        return [
            below - operator.synthesise(code)
            for below, operator, code in zip(self.inputs(codes, signals), self.operators, codes, strict=True)
        ]

    def energy(self, codes: Tensor, signals: Sequence[Tensor | None]) -> Tensor:
        """E of (N, sum of `sizes`) codes; (N, number of groups)."""
        by_level = self.split(codes)
        costs = [
            weight * (residual.flatten(1).square().sum(dim=1) / 2 + mass * level.lmbda * code.flatten(1).abs().sum(1))
            for weight, mass, level, code, residual in zip(
                self.weights, self.masses, self.levels, by_level, self.residuals(by_level, signals), strict=True
            )
        ]
        return torch.stack([sum((costs[index] for index in group), codes.new_zeros(())) for group in self.groups], 1)

    def threshold(self, potentials: Tensor) -> Tensor:
        """Potentials -> codes, both (N, sum of `sizes`)."""
        pairs = zip(potentials.split(self.sizes, dim=1), self.levels, strict=True)
        return torch.cat([level.code(of_level, self.positive) for of_level, level in pairs], dim=1)

    def drive(self, codes: Sequence[Tensor], signals: Sequence[Tensor | None]) -> list[Tensor]:
        """D_l^T r_l - beta_l (a_l - t_l) of each level, flat: -1 / w_l times the derivative of E without its norms."""
        residuals = self.residuals(codes, signals)
        drives = []
        for index, (operator, residual) in enumerate(zip(self.operators, residuals, strict=True)):
            up = operator.analyse(residual).flatten(1)
            if self.pulls[index]:
                down = residuals[self.parents[index]].flatten(1)[:, self.slots[index]]
                up = torch.sub(up, down, alpha=self.pulls[index])
            drives.append(up)
        return drives

    def unrest(self, codes: Sequence[Tensor], drive: Sequence[Tensor]) -> Tensor:
        """The largest move of a code entry that is not at rest, in thresholds, (N,)."""
        distances = [
            self.distance(index, code.flatten(1), up) for index, (code, up) in enumerate(zip(codes, drive, strict=True))
        ]
        return torch.stack(distances).amax(dim=0)

    def balance(self, codes: Tensor, signals: Sequence[Tensor | None]) -> Tensor:
        """The potentials that stay while the codes do, (N, sum of `sizes`)."""
        by_level = self.split(codes)
        moves = [
            torch.add(code.flatten(1), up, alpha=1 / mass)
            for code, up, mass in zip(by_level, self.drive(by_level, signals), self.masses, strict=True)
        ]
        return torch.cat(moves, dim=1)

    def distance(self, index: int, code: Tensor, up: Tensor) -> Tensor:
        """How far flat codes of one level, with its `drive`, are from rest, in thresholds, (N,)."""
        level = self.levels[index]
        moved = level.code(torch.add(code, up, alpha=1 / self.masses[index]), self.positive)
        return (moved - code).abs().amax(dim=1) / level.lmbda
