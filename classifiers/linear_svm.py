"""A linear support vector machine on codes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from sparsefront.classifiers.read_out import ReadOut
from sparsefront.common.rules import at_least, check_rules, positive

PENALTIES = tuple(10.0**power for power in range(-6, 1))
"""What cross-validation chooses from."""


class LinearSVM(ReadOut):
    """A linear support vector machine on a front end's codes (paper 003, section 3.3), solved by scikit-learn.

    (B, C, h, w) -> logits (B, K). For two classes (-d/2, d/2) with d the decision function, so that the difference of
    the logits is d; for more the decision functions of each class against the rest.

    The machine minimises ½ (||w||² + b²) + `penalty` * sum_i c_i max(0, 1 - y_i d(x_i))², b its intercept, in which
    `penalty` has a unit: twice as large codes need a fourth of it. They are therefore divided by their common
    deviation, the root of the neurons' mean variance, which keeps what neurons are to each other, and `linear` takes
    that factor back into its weights: it reads codes as they are.

    Args:
        in_chans: C.
        num_classes: K.
        penalty: C of scikit-learn's `LinearSVC`; null: that of 1e-6, 1e-5, ... 1 with the best score in
            cross-validation on the training codes, the smallest of equals.
        balanced: weigh images by the inverse of how frequent their class is (c_i above, else 1), and choose the penalty
            by the balanced accuracy: faces of one person are few among those of all others.
        folds: of the cross-validation.
        max_iter: most iterations of the solver.
        seed: of the solver and the folds.

    Raises:
        ValueError: a `penalty` that is not positive, fewer than two `folds`, `max_iter` below 1, a `seed` that is
            negative or of more than 32 bits; while learning, a class with fewer images than `folds`, and what `ReadOut`
            refuses.
    """

    def __init__(
        self,
        in_chans: int,
        num_classes: int,
        penalty: float | None = 1.0,
        balanced: bool = True,
        folds: int = 5,
        max_iter: int = 10_000,
        seed: int = 0,
    ) -> None:
        super().__init__(in_chans, num_classes)
        if penalty is not None:
            check_rules(positive("null chooses it by cross-validation", penalty=penalty))
        check_rules([*at_least(2, folds=folds), *at_least(1, max_iter=max_iter)])
        if not 0 <= seed < 2**32:
            raise ValueError(f"`seed` must be from 0 to 2**32 - 1, which the solver reads, found {seed}.")
        self.penalty, self.balanced, self.folds, self.max_iter, self.seed = penalty, balanced, folds, max_iter, seed

    def solve(self, codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and biases of the machine of the codes as they are."""
        deviation = codes.var(dim=0, correction=0).mean().sqrt()
        scaled, classes = (codes / deviation).numpy(), labels.numpy()
        penalty = self._chosen(scaled, classes) if self.penalty is None else self.penalty
        machine = self._machine(penalty).fit(scaled, classes)
        weight, bias = torch.from_numpy(machine.coef_) / deviation, torch.from_numpy(machine.intercept_)
        if self.num_classes == 2:
            return torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
        return weight, bias

    def _machine(self, penalty: float) -> Any:
        # Imported here: before Lightning it has the command line read 1 batch as 100 % of them, because typing
        # then takes Lightning's `int | float` for scikit-learn's `float | int`.
        from sklearn.svm import LinearSVC

        weights = "balanced" if self.balanced else None
        return LinearSVC(C=penalty, class_weight=weights, dual="auto", max_iter=self.max_iter, random_state=self.seed)

    def _chosen(self, codes: np.ndarray, classes: np.ndarray) -> float:
        from sklearn.model_selection import StratifiedKFold, cross_val_score

        fewest = np.bincount(classes).min()
        if fewest < self.folds:
            raise ValueError(
                f"`penalty` can be chosen in {self.folds} `folds` where each class has as many training images, found "
                f"{fewest} of one class; give a number, or fewer folds."
            )
        folds = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        score = "balanced_accuracy" if self.balanced else "accuracy"
        scores = [
            cross_val_score(self._machine(penalty), codes, classes, cv=folds, scoring=score).mean()
            for penalty in tqdm(PENALTIES, desc="choosing the penalty", leave=False, disable=None)
        ]
        return PENALTIES[int(np.argmax(scores))]
