"""Projected gradient descent."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from sparsefront.attacks.parts.ascent import Ascent
from sparsefront.attacks.parts.bounded import check_restarts, random_start
from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts
from sparsefront.attacks.parts.model import Model


@dataclass(frozen=True)
class PGD(Ascent):
    """Steps of steepest ascent, each projected to the ball and the box (Madry et al. 2018; paper 001, equation 1).

    Of all restarts a sample keeps the image of highest loss among those that fool the model or, if none does, among
    all.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` and `step_size` are multiples of each image's own norm.
        loss: `ce` (cross entropy), `cw` (margin) or `dlr` (difference of logits ratio).
        targeted: labels are the classes aimed at.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        steps: gradient steps a restart (N_s of paper 001).
        step_size: length of a step in that norm; 2.5 * eps / steps if absent. Paper 001 takes eps / 8 with 40 steps.
        early_stop: drop a sample as soon as an iterate fools the model, and restart only samples still standing. As
            strong and much faster where `model` is the deployed model; wrong for a surrogate.
        l1_sparsity: fraction of the pixels that an L1 step moves.
        n_restarts: starts a sample (N_r of paper 001).
        random_start: start anywhere in the ball instead of at the image.
        seed: of the random starts, which depend on (seed, sample, restart) alone.

    Raises:
        ValueError: a setting out of range.
    """

    reach: ClassVar[float] = 2.5

    steps: int = 40
    n_restarts: int = 1
    random_start: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_restarts(self.n_restarts, self.random_start)

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Ascend from every start, sample by sample keeping the best."""
        goal = self.goal(labels)

        def attempt(restart: int, rows: Tensor) -> Candidates:
            start = clean = images[rows]
            if self.random_start:
                eps = self.radii(clean)
                start = random_start(clean, indices[rows], eps, self.norm, seed=self.seed, attempt=restart)
            return self.ascend(model, start, clean, goal[rows])

        return best_of_attempts(attempt, images, self.n_restarts, self.early_stop)
