"""An attack with its name, what its adversary knows and what it aims at."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from sparsefront.attacks.base import Attack
from sparsefront.attacks.signs import Sign
from sparsefront.attacks.views import View, WhiteBox
from sparsefront.common.noise import uniform
from sparsefront.common.rules import check_rules, one_of
from sparsefront.common.settings import checked_settings

Target = Literal["most_likely", "least_likely", "random"]
Start = Literal["clean", "best"]


@checked_settings
@dataclass(frozen=True)
class NamedAttack:
    """An attack with a name, what its adversary knows and which class it aims at: an entry of the list `attacks`.

    Args:
        name: of its row and of its metrics; letters, digits and `_ . + -`.
        attack: the adversary's arithmetic.
        view: what the adversary knows.
        target: which wrong class a targeted attack aims at, by the deployed model's clean logits or at random.
        chain: attacks that name one chain are a cascade: each meets only the samples that those before it left
            standing. One without a chain meets every sample that is right.
        start: `clean` begins as the attack does by itself; `best` from the image of largest margin that the attacks
            before it in the chain found, for an attack that can.
        where: signs (`sparsefront.attacks.signs`), one of which a sample must show for this attack to be run on it;
            none: every sample.

    Raises:
        ValueError: a name, target, chain, start or sign that cannot be one, or an attack that stops early on a view
            that is not the deployed model.
    """

    name: str
    attack: Attack
    view: View = field(default_factory=WhiteBox)
    target: Target = "most_likely"
    chain: str | None = None
    start: Start = "clean"
    where: tuple[Sign, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.+-]+", self.name):
            raise ValueError(f"`name` of an attack may hold letters, digits and _ . + - only, found {self.name!r}.")
        check_rules([*one_of(get_args(Target), target=self.target), *one_of(get_args(Start), start=self.start)])
        for sign in self.where:
            check_rules(one_of(get_args(Sign), where=sign))
        if self.start == "best" and (self.chain is None or not self.attack.begins_from_starts):
            why = "no `chain`" if self.chain is None else f"{type(self.attack).__name__}, which begins as it does"
            raise ValueError(
                f"`start` best of {self.name!r} needs a chain whose attacks find points and an attack that begins from "
                f"them, found {why}; name a chain and APGD or MixedSearch, or write clean."
            )
        if self.attack.early_stop and not self.view.is_deployed:
            raise ValueError(
                f"`attack` {self.name!r} must not stop early with view {type(self.view).__name__}, found "
                f"{type(self.attack).__name__}, which does: an image that fools a surrogate has not fooled the "
                f"deployed model yet; {self.attack.early_stop_mend}."
            )

    @property
    def knowledge(self) -> str:
        """The field's word for what the adversary knows."""
        return self.attack.knowledge or self.view.knowledge

    @property
    def in_worst_case(self) -> bool:
        """Whether a sample that falls to it counts as fallen: not to a control, nor to an attack without a bound."""
        return self.knowledge != "control" and self.attack.minimises is None

    def targets(self, logits: Tensor, labels: Tensor, indices: Tensor) -> Tensor:
        """Wrong classes (B,) to aim at, from clean logits (B, K), labels (B,) and sample numbers (B,)."""
        n_classes = logits.shape[1]
        if self.target == "random":
            draw = uniform(indices, torch.Size([1]), seed=0, stream=-1).squeeze(1)
            return (labels + 1 + (draw * (n_classes - 1)).long()) % n_classes
        if self.target == "most_likely":
            return logits.scatter(1, labels[:, None], -torch.inf).argmax(dim=1)
        return logits.scatter(1, labels[:, None], torch.inf).argmin(dim=1)
