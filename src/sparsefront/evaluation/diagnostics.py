"""Signs, on a few samples, that a robust accuracy comes from hidden gradients."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sparsefront.attacks import PGD, Budget, NamedAttack, View, cross_entropy, margin, value_and_gradient
from sparsefront.common.noise import uniform
from sparsefront.common.stopping import polled
from sparsefront.data.batch import Batch
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.finding import Finding, adversary_of, tolerated

Model = Callable[[Tensor], Tensor]

# A gradient of cross entropy this small beside the margin's has a square below float32's numbers: softmax has taken it.
_SATURATED = 1e-20
# A margin that moves a million times as far as its gradient allows has a gradient that was taken away.
_FLAT = 1e-6
_MOVE = 8 / 255  # of each pixel, up or down, to see that


def probe(
    model: DefendedClassifier,
    attacks: Sequence[NamedAttack],
    batch: Batch,
    fitted: Callable[[NamedAttack], View] = lambda named: named.view,
) -> list[Finding]:
    """Try a few samples through every white-box view (Athalye et al. 2018, Carlini et al. 2019, Pintor et al. 2022).

    Zero or vanishing gradients, a loss that does not rise along the gradient, an attack without bounds that fails,
    restarts that go on helping, logits that change from call to call. A view that cannot be probed to its end is a
    finding as well.

    Args:
        model: deployed, in evaluation mode and frozen.
        attacks: that were run; their white-box views are probed.
        batch: a few samples that the model gets right.
        fitted: the view of an attack, which has seen the training images that it needs.
    """
    findings = list(_to_its_end("deployed model", lambda: iter([_randomised(model, batch)])))
    white = [named for named in attacks if named.knowledge == "white_box" and named.view.is_deployed]
    for view in {repr(named.view): named.view for named in white}.values():
        same = [named for named in white if repr(named.view) == repr(view)]
        budget = next((named.attack.budget for named in same if named.attack.budget is not None), None)

        def look(first: NamedAttack = same[0], budget: Budget | None = budget) -> Iterator[Finding]:
            return _of_view(_Seen(model, polled(fitted(first)(model)), batch, adversary_of(first.view)), budget)

        findings += _to_its_end(adversary_of(view), look)
    return findings


def _to_its_end(adversary: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a look; where it ends in an error, that is the last of them."""
    try:
        yield from look()
    except Exception as error:
        text = f"the probe ended in an error, so that signs may be missing: {type(error).__name__}: {error}"
        yield Finding("probe_failed", adversary, True, text)


def _randomised(model: DefendedClassifier, batch: Batch) -> Finding:
    with torch.no_grad():
        first, second = model(batch.image), model(batch.image)
    apart = ((first - second).abs() / (1 + first.abs())).max().item()
    raised = apart > 1e-4
    sentence = "two forwards of one image agree."
    if raised:
        sentence = f"two forwards of one image differ by {apart:.2g}: average gradients over them with `eot_iter`."
    return Finding("randomised", "deployed model", raised, sentence)


@dataclass(frozen=True)
class _Seen:
    """A few samples, the deployed model, and its logits as an adversary sees them."""

    model: DefendedClassifier
    logits: Model
    batch: Batch
    adversary: str

    def finding(self, flag: str, count: int, bad: str, good: str) -> Finding:
        total = len(self.batch.label)
        raised = count > tolerated(total)
        return Finding(flag, self.adversary, raised, f"{count} of {total} {bad}." if raised else good)

    def standing(self, attack: PGD) -> int:
        """Samples that the deployed model still gets right."""
        whole = attack.without_early_stop() if self.model.frontend.randomised else attack
        adversarial = whole(self.logits, *self.batch)
        with torch.no_grad():
            return int((self.model(adversarial).argmax(dim=1) == self.batch.label).sum())


def _of_view(probed: _Seen, budget: Budget | None) -> Iterator[Finding]:
    try:
        zeros, vanishing = _gradients(probed)
    except ValueError as error:
        yield Finding("zero_gradients", probed.adversary, True, f"there is no usable gradient: {error}")
        return
    yield probed.finding(
        "zero_gradients", zeros + vanishing, f"gradients are exactly zero ({zeros}) or vanish beside what they should "
        f"be ({vanishing}), and an attack that follows them stays where it is; use the loss `cw`, another backward "
        "mode, or an attack that asks for no gradient", "no gradient to speak of is zero or vanishes.",
    )  # fmt: skip
    yield probed.finding(
        "loss_does_not_rise", _losses_that_stay(probed), "losses are no higher after 20 steps up the gradient than "
        "before them; it does not point where the loss rises", "the loss rises along the gradient.",
    )  # fmt: skip
    unbounded = PGD(eps=1.0, steps=100, step_size=0.02, random_start=False, loss="cw", early_stop=True)
    yield probed.finding(
        "unbounded_attack_fails", probed.standing(unbounded), "samples withstand an attack that may change every pixel "
        "as it likes, which no classifier can: the attack fails, not the adversary",
        "an attack without a bound fools the model.",
    )  # fmt: skip
    if budget is not None:
        norm, eps, relative = budget
        attack = PGD(eps=eps, norm=norm, relative=relative, steps=20, early_stop=True)  # type: ignore[arg-type]
        more = probed.standing(attack) - probed.standing(replace(attack, n_restarts=5))
        yield probed.finding(
            "restarts_still_help", more, "more samples fall to 5 random starts than to 1; use more of them",
            "further random starts bring down hardly any sample.",
        )  # fmt: skip


def _gradients(probed: _Seen) -> tuple[int, int]:
    """How many samples' gradients are exactly zero, and how many more vanish.

    A gradient vanishes where cross entropy's is below `_SATURATED` of the margin's (softmax is saturated), or where
    the margin changes between an image and one `_MOVE` away by a million times sum |gradient| |difference|, which
    bounds the change to first order (the value moves, its derivative was taken away).
    """
    images, labels, indices = probed.batch
    _, gradient = value_and_gradient(probed.logits, images, lambda logits: cross_entropy(logits, labels), labels)
    before, slope = value_and_gradient(probed.logits, images, lambda logits: margin(logits, labels), labels)
    draws = uniform(indices, images.shape[1:], seed=0, stream=-5).to(images)
    moved = (images + torch.where(draws < 0.5, -_MOVE, _MOVE)).clamp(0, 1).to(images)
    with torch.no_grad():
        change = (margin(probed.logits(moved), labels) - margin(before, labels)).abs()
    gradient, slope = gradient.double(), slope.double()  # half precision holds no sum over pixels
    allowed = (slope * (moved - images)).abs().flatten(1).sum(dim=1)
    largest, steepest = (tensor.abs().flatten(1).amax(dim=1) for tensor in (gradient, slope))
    zero = largest == 0
    vanishing = (largest <= _SATURATED * steepest) | (allowed < _FLAT * change)
    return int(zero.sum()), int((vanishing & ~zero).sum())


def _losses_that_stay(probed: _Seen) -> int:
    """How many samples' margins are no higher after a climb."""
    images, labels, indices = probed.batch
    climb = PGD(eps="8/255", steps=20, step_size="1/255", random_start=False)
    climbed = climb(probed.logits, images, labels, indices)
    with torch.no_grad():
        return int((margin(probed.logits(climbed), labels) <= margin(probed.logits(images), labels)).sum())
