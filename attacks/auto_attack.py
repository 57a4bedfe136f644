"""The AutoAttack ensembles."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, get_args

from torch import Tensor

from sparsefront.attacks.apgd import APGD
from sparsefront.attacks.apgd_t import APGDT
from sparsefront.attacks.base import Attack
from sparsefront.attacks.fab import FAB
from sparsefront.attacks.parts.in_turn import attack_in_turn
from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.square import Square
from sparsefront.common.budget import Budget
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, one_of

Version = Literal["standard", "plus", "rand"]


@dataclass(frozen=True)
class AutoAttack(Attack):
    """One attack after the other on the samples still standing (Croce and Hein 2020, without a setting to tune).

    `standard`: APGD-CE, APGD-T, FAB-T, Square. `plus`: APGD-CE, APGD-DLR and FAB with 5 restarts each, Square, APGD-T,
    FAB-T. `rand`, for models that draw random numbers: APGD-CE and APGD-DLR, gradients averaged over 20 forwards; who
    still stands is judged by the mean over as many. Attacks named one by one get a row each.

    Steps, restarts and queries are the authors' (package `pyautoattack`). What differs: APGD-T aims at 9 classes in L1
    too (theirs: 5), APGD walks in larger L1 balls first in every version (theirs: `standard`), Square's squares shrink
    by a schedule stretched to its 5,000 queries (theirs stops where 10,000 queries have their 5,000th), and `rand`
    keeps the best image by the mean over its forwards (theirs: the last that erred once).

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball.
        version: which ensemble.
        seed: of the random starts and squares.

    Parts whose loss needs more classes than the model has fall away: APGD-T below 4 classes, APGD-DLR below 3, where
    the authors' code says that neither is possible. FAB-T aims at as many classes as there are.

    Raises:
        ValueError: eps < 0, or a norm or version that does not exist.
    """

    early_stop = True  # always: each attack is for the samples still standing
    early_stop_mend: ClassVar[str] = "name APGD, APGDT, FAB and Square one by one, each with `early_stop: false`"

    eps: PixelSize = "8/255"
    norm: Norm = "Linf"
    version: Version = "standard"
    seed: int = 0

    def __post_init__(self) -> None:
        check_rules(
            [
                *one_of(get_args(Norm), norm=self.norm),
                *radius_rules(self.norm, eps=float(self.eps)),
                *one_of(get_args(Version), version=self.version),
            ]
        )

    @property
    def budget(self) -> Budget:
        """The ball around each image that all its attacks keep to."""
        return Budget(self.norm, float(self.eps))

    @property
    def by_gradient(self) -> bool:  # type: ignore[override]
        """Not where Square is among the parts."""
        return self.version == "rand"

    @property
    def parts(self) -> tuple[Attack, ...]:
        """The attacks in their order."""
        eps = float(self.eps)
        norm = self.norm
        seed = self.seed
        if self.version == "rand":
            return tuple(
                # No early stop: what fools one draw of the numbers would be given back by the next.
                APGD(eps=eps, norm=norm, loss=loss, eot_iter=20, seed=seed)
                for loss in ("ce", "dlr")
            )
        targeted = APGDT(eps=eps, norm=norm, early_stop=True, seed=seed)
        boundary = FAB(eps=eps, norm=norm, n_target_classes=9, early_stop=True, seed=seed)
        square = Square(eps=eps, norm=norm, seed=seed)
        if self.version == "standard":
            first = APGD(eps=eps, norm=norm, n_restarts=5 if norm == "L1" else 1, early_stop=True, seed=seed)
            return first, targeted, boundary, square
        again = [
            APGD(eps=eps, norm=norm, loss=loss, n_restarts=5, early_stop=True, seed=seed) for loss in ("ce", "dlr")
        ]
        near = FAB(eps=eps, norm=norm, n_restarts=5, early_stop=True, seed=seed)
        return *again, near, square, targeted, boundary

    def without_early_stop(self) -> Self:
        """The version `rand`, whose attacks do not stop early; samples still leave between them, by the mean logits."""
        return replace(self, version="rand")

    def perturb(self, model: Model, images: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Run the attacks in their order, each on the samples still standing."""
        return attack_in_turn(self.parts, model, images, labels, indices, targeted=False)
