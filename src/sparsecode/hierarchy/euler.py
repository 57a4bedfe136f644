"""Euler's method on the published dynamics."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sparsecode.hierarchy.hierarchy import Hierarchy
from sparsecode.hierarchy.joint_operator import JointOperator
from sparsecode.value_with_gradient_of import value_with_gradient_of

_LOOK_EVERY = 10  # steps between two looks at which signals are at rest


class Euler:
    """Runs the dynamics of a `Hierarchy` as published, all levels at once (paper 003, equations 4 to 6).

    Args:
        model: the hierarchy.
        tau: time constant, in steps; absent: the shortest that is sure to be stable.
    """

    def __init__(self, model: Hierarchy, tau: float | None = None) -> None:
        self.model = model
        self.tau = self._stable() if tau is None else tau

    def _stable(self) -> float:
        # In sqrt(w) a the dynamics are the descent of E.
        model = self.model
        scales = [[model.weights[index] ** 0.5 for index in group] for group in model.groups]
        operators = [JointOperator.of(model, *pair) for pair in zip(model.groups, scales, strict=True)]
        return max(*(operator.lipschitz() for operator in operators), *model.masses)

    def step(self, potentials: Tensor, signals: Sequence[Tensor | None]) -> Tensor:
        """Potentials (N, sum of `sizes`) one step later."""
        return self._step(potentials, signals, look=False)[0]

    def _step(self, potentials: Tensor, signals: Sequence[Tensor | None], look: bool) -> tuple[Tensor, Tensor | None]:
        """The same, and how far from rest the codes were, if one looks."""
        model = self.model
        codes = model.threshold(potentials)
        by_level = model.split(codes)
        drive = model.drive(by_level, signals)
        beyond = (potentials - codes).split(model.sizes, dim=1)
        force = [torch.sub(up, over, alpha=mass) for up, over, mass in zip(drive, beyond, model.masses, strict=True)]
        moved = torch.add(potentials, torch.cat(force, dim=1), alpha=1 / self.tau)
        return moved, model.unrest(by_level, drive) if look else None

    @torch.no_grad()
    def settle(
        self, potentials: Tensor, signals: Sequence[Tensor | None], tolerance: float, max_steps: int
    ) -> tuple[Tensor, Tensor]:
        """Run the dynamics to rest.

        Memory does not grow with the steps. A signal at rest leaves the computation, whatever the others do.

        Args:
            potentials: (N, sum of `sizes`) to start from.
            signals: of each level, None for those that have one below.
            tolerance: of rest.
            max_steps: most steps.

        Returns:
            Codes, and bool (N,): which rest.
        """
        settled = potentials.clone()
        converged = torch.zeros(len(potentials), dtype=torch.bool, device=potentials.device)
        left = torch.arange(len(potentials), device=potentials.device)  # signals not at rest
        u = potentials
        given = list(signals)
        for step in range(max_steps + 1):
            moved, unrest = self._step(u, given, look=step % _LOOK_EVERY == 0 or step == max_steps)
            if unrest is not None:
                rests = unrest <= tolerance
                settled[left], converged[left] = u, rests
                if rests.all():
                    break
                if rests.any():
                    left = left[~rests]
                    moved = moved[~rests]
                    given = [None if signal is None else signal[~rests] for signal in given]
            u = moved
        return self.model.threshold(settled), converged

    def repeat(self, codes: Tensor, signals: Sequence[Tensor | None], steps: int) -> Tensor:
        """Codes at rest, with the gradient with respect to the signals of so many last steps there."""
        with torch.no_grad():
            potentials = self.model.balance(codes, signals)
        for _ in range(steps):
            potentials = self.step(potentials, signals)
        moved = self.model.threshold(potentials)
        return value_with_gradient_of(moved, codes)
