"""The dynamics of locally competing neurons."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsecode._working_memory import signals_at_once
from sparsecode.checks import check_positive
from sparsecode.operators import Operator

# Steps between two looks at which signals are at rest.
_LOOK_EVERY = 10

Threshold = Literal["soft", "hard"]
"""`soft`: a = u shrunk by lmbda, the l1 norm's. `hard`: a = u where it exceeds lmbda, the count of nonzeros'."""

FeedbackOn = Literal["potential", "code"]
"""What is pulled towards the layer above's reconstruction: u, as paper 003 writes it, or a."""


@dataclass(frozen=True)
class LCADynamics:
    """Potentials u that charge, leak and inhibit each other; their code is a = threshold(u).

    tau u' = D^T y - u - (D^T D a - a) - beta (u - t), one Euler step a unit of time; t is the layer above's
    reconstruction of u and beta the feedback (Rozell et al. 2008; paper 003, equations 4 to 6, with tau = beta = 1).
    It is computed from the residual, D^T (y - D a) - (u - a) - beta (u - t), which needs two small products where the
    lateral weights D^T D need one large one, and is right at the border of an image too.

    The energy that falls along the dynamics is 1/2 ||y - D a||^2 + beta / 2 ||a - t||^2 + penalty, where the penalty is
    lmbda (1 + beta) ||a||_1 for a soft threshold, lmbda ||a||_1 where the code is pulled instead, beta (a - t) above,
    and lmbda^2 / 2 (1 + beta) a nonzero for a hard threshold and unit-norm atoms. Pulling a hard code lowers no energy.

    Attributes:
        lmbda: the threshold, positive.
        threshold: which.
        tau: time constant in steps. Euler's steps are stable where it exceeds half the largest eigenvalue of D^T D.
        positive: potentials below 0 give no code.
        feedback: beta, 0 or above.
        feedback_on: what is pulled towards t.

    Raises:
        ValueError: a number out of its range, or an unknown choice.
    """

    lmbda: float
    threshold: Threshold = "soft"
    tau: float = 100.0
    positive: bool = False
    feedback: float = 1.0
    feedback_on: FeedbackOn = "potential"

    def __post_init__(self) -> None:
        check_positive(lmbda=self.lmbda, tau=self.tau)
        if not self.feedback >= 0:
            raise ValueError(f"`feedback` must be at least 0, found {self.feedback}.")
        for name, value, choices in (
            ("threshold", self.threshold, get_args(Threshold)),
            ("feedback_on", self.feedback_on, get_args(FeedbackOn)),
        ):
            if value not in choices:
                raise ValueError(f"`{name}` must be one of {', '.join(choices)}, found {value!r}.")

    def code(self, u: Tensor) -> Tensor:
        """The code a of potentials u."""
        if self.threshold == "soft":
            return (u - self.lmbda).clamp_min(0) if self.positive else F.softshrink(u, self.lmbda)
        return torch.where((u if self.positive else u.abs()) > self.lmbda, u, 0.0)

    def force(self, u: Tensor, signals: Tensor, operator: Operator, top_down: Tensor | None = None) -> Tensor:
        """Tau u'; 0 at a fixed point."""
        a = self.code(u)
        force = operator.analyse(signals - operator.synthesise(a)) + a - u
        if top_down is not None:
            force = force - self.feedback * ((u if self.feedback_on == "potential" else a) - top_down)
        return force

    def step(self, u: Tensor, signals: Tensor, operator: Operator, top_down: Tensor | None = None) -> Tensor:
        """Potentials one step later."""
        return u + self.force(u, signals, operator, top_down) / self.tau

    def energy(self, u: Tensor, signals: Tensor, operator: Operator, top_down: Tensor | None = None) -> Tensor:
        """What the dynamics lower, (N,).

        Raises:
            ValueError: a hard threshold with feedback on the code.
        """
        if top_down is not None and self.threshold == "hard" and self.feedback_on == "code":
            raise ValueError("`feedback_on` must be potential for a hard threshold to have an energy, found code.")
        a = self.code(u)
        energy = (signals - operator.synthesise(a)).flatten(1).square().sum(dim=1) / 2
        weight = 1.0
        if top_down is not None:
            energy = energy + self.feedback / 2 * (a - top_down).flatten(1).square().sum(dim=1)
            weight += self.feedback if self.feedback_on == "potential" else 0.0
        if self.threshold == "soft":
            return energy + weight * self.lmbda * a.flatten(1).abs().sum(dim=1)
        return energy + weight * self.lmbda**2 / 2 * (a != 0).flatten(1).sum(dim=1)

    def settle(
        self,
        u: Tensor,
        signals: Tensor,
        operator: Operator,
        *,
        n_steps: int,
        tolerance: float,
        max_bytes: int,
    ) -> tuple[Tensor, Tensor]:
        """Potentials after at most `n_steps`, and bool (N,): where the last step met |tau u'| <= tolerance lmbda.

        A signal that has met it stays as it is, whatever the others do. Memory does not grow with the steps; the
        potentials given are overwritten.
        """
        done = torch.zeros(len(u), dtype=torch.bool, device=u.device)
        n_signals, at_once = signals_at_once(signals, operator, max_bytes)
        for first in range(0, len(u), n_signals):
            part = slice(first, first + n_signals)
            self._settle_run(u[part], done[part], signals[part], operator, n_steps, tolerance, at_once)
        return u, done

    def _settle_run(
        self,
        settled: Tensor,
        done: Tensor,
        signals: Tensor,
        operator: Operator,
        n_steps: int,
        tolerance: float,
        at_once: int,
    ) -> None:
        """Overwrite `settled` and `done`; signals that rest leave the computation."""
        u, left = settled.clone(), torch.arange(len(settled), device=settled.device)
        step = 0
        while step < n_steps and len(left):
            n_now = min(_LOOK_EVERY, n_steps - step) if step else 1  # a start at rest costs one step
            resting = []
            for first in range(0, len(left), at_once):
                part = slice(first, first + at_once)
                u[part], force = self._advance(u[part], signals[part], operator, n_now)
                resting.append(force.abs().flatten(1).amax(dim=1) <= tolerance * self.lmbda)
            rests = torch.cat(resting)
            settled[left], done[left] = u, rests
            if rests.any():
                left, u, signals = left[~rests], u[~rests], signals[~rests]
            step += n_now

    def _advance(self, u: Tensor, signals: Tensor, operator: Operator, n_steps: int) -> tuple[Tensor, Tensor]:
        """Potentials `n_steps` later, and tau times the last step."""
        for _ in range(n_steps):
            force = self.force(u, signals, operator)
            u = u + force / self.tau
        return u, force
