"""The standard protocol."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, get_args

from sparsefront.attacks.apgd import APGD
from sparsefront.attacks.apgd_t import APGDT
from sparsefront.attacks.base import Attack
from sparsefront.attacks.fmn import FMN
from sparsefront.attacks.hop_skip_jump import HopSkipJump
from sparsefront.attacks.mixed_search import MixedSearch
from sparsefront.attacks.named import NamedAttack
from sparsefront.attacks.nes import NES
from sparsefront.attacks.parts.losses import LEAST_CLASSES, Loss
from sparsefront.attacks.parts.norms import Norm
from sparsefront.attacks.parts.reach import radius_rules
from sparsefront.attacks.protocol import Protocol
from sparsefront.attacks.ray_s import RayS
from sparsefront.attacks.signs import Sign
from sparsefront.attacks.views import (
    FittedModel,
    FittedSurrogate,
    GrayBox,
    Neighbourhood,
    OppositeGradient,
    RescaledLogits,
    View,
    WhiteBox,
)
from sparsefront.common.budget import Budget
from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import check_rules, one_of

Effort = Literal["quick", "standard", "thorough"]
# The default backward mode. A remedy is for those that have no gradient there: no error may keep it from them.
_DEPLOYED = WhiteBox(zero_where_none=True)
_SHARE = 10  # of the ball, that gradients are averaged over


@dataclass(frozen=True)
class _Effort:
    """How much the attacks do.

    Args:
        steps: of gradient attacks.
        restarts: of the first of them.
        classes: that the second aims at.
        passes: that a gradient or an answer is averaged over where anything is random.
        queries: of the first walk of random search, at most.
        walks: of random search, each twice as long as the one before.
        rays: that a search by decisions begins along.
        directions: of a fine estimate of a gradient from answers; 0: none is made.
        points: that an averaged gradient is averaged over.
        dear: whether what takes a while is tried: networks fitted to the front end and to the model's answers, and
            answers asked for where gradients are there, but mislead.
    """

    steps: int
    restarts: int
    classes: int
    passes: int
    queries: int
    walks: int
    rays: int
    directions: int
    points: int
    dear: bool


_EFFORTS: dict[Effort, _Effort] = {
    "quick": _Effort(
        steps=20, restarts=1, classes=3, passes=5, queries=300, walks=1,
        rays=2, directions=0, points=8, dear=False,
    ),
    "standard": _Effort(
        steps=100, restarts=1, classes=9, passes=10, queries=10000, walks=5,
        rays=10, directions=200, points=20, dear=True,
    ),
    "thorough": _Effort(
        steps=100, restarts=5, classes=9, passes=20, queries=10000, walks=7,
        rays=20, directions=400, points=40, dear=True,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Standard(Protocol):
    """The attacks that a defended model is judged by, composed from what it declares: nothing to choose but the ball.

    A chain, each attack on the samples that those before it left standing:

    1. Auto-PGD on cross entropy and towards the likeliest wrong classes (Croce and Hein 2020) through the front end's
       default backward mode, then through each other mode that it declares (Athalye et al. 2018).
    2. Images made for the classifier alone, and for a network fitted to the front end; the deployed model has the last
       word on them.
    3. Remedies, on samples that show a sign of a hidden gradient: logits rescaled where their softmax is saturated or
       was handed out; the opposite direction where gradients point down.
    4. Auto-PGD on the margin from the best image so far, and from there, where that is not the top yet, random search
       with mixed moves, then from stripes (after Andriushchenko et al. 2020).
    5. Dearer remedies: gradients averaged over points where they ripple; differences of answers, and transfer from a
       network fitted to the model's answers, where there is no gradient; averages over draws where answers differ from
       call to call.
    6. A search for the smallest perturbation (Pintor et al. 2021), which counts inside the ball; by decisions where
       answers carry no scores (Linf: Chen and Gu 2020, where gradients are zero or do not raise the loss, too; L2: Chen
       et al. 2020).
    7. Auto-PGD on the margin once more, from the best images so far.

    Before a front end that draws random numbers, gradients and answers are averaged over several passes.

    Args:
        eps: radius of the ball in [0, 1] pixel units; `8/255` is read.
        norm: of the ball.
        effort: `quick` for curves while training, which fits no networks and leaves dear remedies to samples without
            any gradient, `standard`, or `thorough`.
        cascade: run each attack on what those before it left; false gives every attack every sample, at many times the
            cost, and leaves out the last, which begins from what the others found.
        seed: of all random numbers.

    Raises:
        ValueError: a setting out of range.
    """

    eps: PixelSize = "8/255"
    norm: Norm = "Linf"
    effort: Effort = "standard"
    cascade: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        rules = [*one_of(get_args(Norm), norm=self.norm), *one_of(get_args(Effort), effort=self.effort)]
        check_rules([*rules, *radius_rules(self.norm, eps=float(self.eps))])

    @property
    def budget(self) -> Budget:
        """The ball around each image that all its attacks keep to."""
        return Budget(self.norm, float(self.eps))

    def entries(self, name: str, model: Any) -> list[NamedAttack]:
        """The attacks in their order, for a defended model."""
        effort = _EFFORTS[self.effort]
        make = _Maker(self, name, effort, model)
        entries = [
            make("apgd_ce", make.ascent("ce", n_restarts=effort.restarts)),
            make("apgd_t", make.targeted()),
            *self._other_views(make),
            *self._other_directions(make),
            make("apgd_cw", make.ascent("cw"), start="best"),
            make("search", make.search(), start="best"),
            *self._other_gradients(make),
            make("smallest", FMN(norm=self.norm, eps=float(self.eps), steps=effort.steps)),
            *self._by_decisions(make),
            make("apgd_best", make.ascent("cw"), start="best"),
        ]
        # Without a chain nobody has found an image for the last to begin from.
        return entries if self.cascade else [replace(one, chain=None, start="clean") for one in entries[:-1]]

    def _other_views(self, make: "_Maker") -> Iterator[NamedAttack]:
        """Through each mode but the default, and images made without the front end or with one fitted to it."""
        if make.frontend.hands_images_on:
            return
        for mode in make.frontend.backward_modes():
            if mode != make.frontend.default_backward:
                yield make(f"apgd_{mode}", make.ascent("ce"), WhiteBox(mode, zero_where_none=True))
        if make.frontend.returns_images:
            yield make("gray_box", make.ascent("ce", early_stop=False), GrayBox())
        if make.frontend.returns_images and make.effort.dear:
            yield make("surrogate", make.ascent("ce"), FittedSurrogate(radius=make.pixel_size, seed=self.seed))

    def _other_directions(self, make: "_Maker") -> Iterator[NamedAttack]:
        """What mends a gradient that a sign shows to be misleading, at no more than its own cost."""
        ascent, rescaled = make.ascent("cw"), RescaledLogits(_DEPLOYED)
        yield make("rescaled", ascent, rescaled, ("vanishing", "outputs_sum_to_one"))
        yield make("opposite", ascent, OppositeGradient(rescaled), ("gradient_points_down",))

    def _other_gradients(self, make: "_Maker") -> Iterator[NamedAttack]:
        """What takes the place of a gradient that a sign shows to mislead: many times as dear, so after the search."""
        points, radius = make.effort.points, make.pixel_size / _SHARE
        rescaled = RescaledLogits(_DEPLOYED)
        averaged = Neighbourhood(rescaled, radius=radius, n_samples=points, seed=self.seed, mirrored=True)
        yield make("averaged", make.ascent("cw"), averaged, ("rippled", "differences_disagree", "loss_does_not_rise"))
        others: tuple[Sign, ...] = ("differences_disagree",) if make.effort.dear else ()
        yield make("differences", make.differences(), rescaled, ("zero_gradients", *others))
        if make.effort.directions:
            # Twice the steps, each estimate a small part of the average: what is left is near the boundary.
            fine = make.differences(n_directions=make.effort.directions, steps=2 * make.effort.steps, momentum=0.97)
            yield make("fine_differences", fine, rescaled, ("zero_gradients",))
        if make.effort.dear:
            fitted = FittedModel(radius=make.pixel_size, seed=self.seed)
            signs: tuple[Sign, ...] = ("zero_gradients", "answers_without_scores")
            yield make("fitted", make.ascent("ce", early_stop=False), fitted, signs)
        if not make.frontend.randomised:
            draws = make.ascent("ce", eot_iter=make.effort.passes, early_stop=False)
            yield make("averaged_draws", draws, where=("draws_differ", "gradient_draws_differ"))

    def _by_decisions(self, make: "_Maker") -> Iterator[NamedAttack]:
        """By labels alone, in the norms that are searched so; in Linf cheaply enough for answers of few values too."""
        if self.norm == "Linf":
            start: Literal["nearest", "noise"] = "nearest" if make.effort.dear else "noise"
            rays = RayS(eps=float(self.eps), n_walks=make.effort.rays, start=start, seed=self.seed)
            others: tuple[Sign, ...] = ("loss_does_not_rise",) if make.effort.dear else ()
            signs: tuple[Sign, ...] = ("answers_without_scores", "zero_gradients", *others)
            yield make("decisions", rays, where=signs, start="best")
        elif self.norm == "L2":
            walk = HopSkipJump(norm="L2", eps=float(self.eps), seed=self.seed)
            yield make("decisions", walk, where=("answers_without_scores",))


@dataclass(frozen=True)
class _Maker:
    """Makes the entries of a protocol for one model."""

    protocol: Standard
    name: str
    effort: _Effort
    model: Any

    def __call__(
        self,
        what: str,
        attack: Attack,
        view: View = _DEPLOYED,
        where: tuple[Sign, ...] = (),
        start: Literal["clean", "best"] = "clean",
    ) -> NamedAttack:
        name = f"{self.name}.{what}" if self.name else what
        return NamedAttack(name, attack, view, chain=self.name or "protocol", start=start, where=where)

    @property
    def frontend(self) -> Any:
        return self.model.frontend

    @property
    def pixel_size(self) -> float:
        """How far a pixel moves where all move alike to the ball's edge, in [0, 1] pixel units."""
        pixels = prod(self.frontend.image_shape)
        spread: dict[Norm, float] = {"Linf": 1.0, "L2": pixels**0.5, "L1": float(pixels)}
        return float(self.protocol.eps) / spread[self.protocol.norm]

    @property
    def _common(self) -> dict[str, Any]:
        passes = self.effort.passes if self.frontend.randomised else 1
        ball = {"eps": float(self.protocol.eps), "norm": self.protocol.norm}
        return {**ball, "eot_iter": passes, "seed": self.protocol.seed}

    def ascent(self, loss: Loss, **settings: Any) -> APGD:
        return APGD(**{**self._common, "loss": loss, "steps": self.effort.steps, "early_stop": True, **settings})

    def targeted(self) -> APGDT:
        effort = self.effort
        loss: Loss = "dlr" if self.model.num_classes >= LEAST_CLASSES["dlr", True] else "cw"
        chosen: dict[str, Any] = {
            "loss": loss,
            "steps": effort.steps,
            "n_target_classes": effort.classes,
            "early_stop": True,
        }
        return APGDT(**self._common, **chosen)

    def differences(self, **settings: Any) -> NES:
        chosen: dict[str, Any] = {"steps": self.effort.steps, "sigma": self.pixel_size / 2, **settings}
        return NES(**self._common, loss="cw", **chosen)

    def search(self) -> MixedSearch:
        effort = self.effort
        walks: dict[str, Any] = {"n_queries": effort.queries, "n_walks": effort.walks, "growth": 2}
        return MixedSearch(**self._common, **walks)
