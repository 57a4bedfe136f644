"""Auto-PGD aimed at one class after another."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sparsefront.attacks.apgd import APGD
from sparsefront.attacks.parts.candidates import Candidates, best_of_attempts
from sparsefront.attacks.parts.losses import LEAST_CLASSES, Goal, Loss
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import checked_logits, mean_logits
from sparsefront.common.rules import at_least, check_rules


@dataclass(frozen=True)
class APGDT(APGD):
    """Auto-PGD towards each of the most likely wrong classes in turn, any of which is a success (Croce and Hein 2020).

    The labels are the true classes. A sample keeps the image of highest loss among those that fool the model or, if
    none does, among all. From `starts`, the first walk towards each class begins there.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball and of the step.
        relative: `eps` is a multiple of each image's own norm.
        loss: `dlr` (targeted difference of logits ratio, for 4 classes or more), `ce` or `cw`, each towards the class
            aimed at.
        targeted: false; the classes aimed at are not the labels.
        eot_iter: passes through a randomised model that are averaged into one gradient.
        steps: gradient steps a start.
        n_restarts: starts a sample and class.
        random_start: start anywhere in the ball instead of at the image.
        early_stop: drop a sample as soon as an iterate fools the model, and aim at further classes only for samples
            still standing. As strong and much faster where `model` is the deployed model; wrong for a surrogate.
        seed: of the random starts, which depend on (seed, sample, class's rank, restart) alone.
        n_target_classes: how many classes to aim at, by the clean logits from the most likely down; at most all.

    Raises:
        ValueError: a setting out of range; at the call, too few classes for the loss.
    """

    loss: Loss = "dlr"
    n_target_classes: int = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rules(at_least(1, n_target_classes=self.n_target_classes))
        if self.targeted:
            raise ValueError("`targeted` must be false, found true: the labels are the true classes; use APGD.")

    @property
    def least_classes(self) -> int:
        """Classes that the targeted loss needs at least."""
        return LEAST_CLASSES[self.loss, True]

    def _best_ascent(
        self, model: Model, images: Tensor, labels: Tensor, indices: Tensor, starts: Tensor | None
    ) -> Tensor:
        """Aim at class after class, sample by sample keeping the best; from starts, the first time at each class."""
        logits = checked_logits(mean_logits(model, images, self.eot_iter), labels)
        wrong = logits.scatter(1, labels[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
        n_classes = min(self.n_target_classes, logits.shape[1] - 1)

        def attempt(trial: int, rows: Tensor) -> Candidates:
            goal = Goal(self.loss, wrong[rows, trial // self.n_restarts], targeted=True, labels=labels[rows])
            if trial % self.n_restarts == 0 and starts is not None:
                return self.ascend_from(model, starts[rows], images[rows], goal)
            return self.ascend(model, images[rows], indices[rows], goal, trial)

        return best_of_attempts(attempt, images, n_classes * self.n_restarts, self.early_stop)
