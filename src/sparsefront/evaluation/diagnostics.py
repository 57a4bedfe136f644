"""Signs that a robust accuracy comes from hidden gradients."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from attacks import PGD, NamedAttack, View
from attacks.base import value_and_gradient
from attacks.losses import cross_entropy, margin
from sparsefront.data.batch import Batch
from sparsefront.defended import DefendedClassifier
from sparsefront.evaluation.samples import Samples

Model = Callable[[Tensor], Tensor]

# Share of samples, and number of them, up to which a sign may be chance.
_CHANCE, _FEW = 0.05, 2


@dataclass(frozen=True)
class Finding:
    """One sign, looked for.

    Attributes:
        flag: its name.
        adversary: whose gradients or rows it is about.
        raised: whether it is there.
        sentence: what was found, and what follows from it.
    """

    flag: str
    adversary: str
    raised: bool
    sentence: str


def probe(model: DefendedClassifier, attacks: Sequence[NamedAttack], batch: Batch) -> list[Finding]:
    """Try a few samples through every white-box view (Athalye et al. 2018, Carlini et al. 2019, Pintor et al. 2022).

    Zero gradients, a loss that does not rise along the gradient, an attack without bounds that fails, restarts that go
    on helping, logits that change from call to call.

    Args:
        model: deployed, in evaluation mode and frozen.
        attacks: that were run; their white-box views are probed.
        batch: a few samples that the model gets right.
    """
    findings = [_randomised(model, batch)]
    for view in _white_boxes(attacks):
        findings += _of_view(view, model, batch, attacks)
    return findings


def _white_boxes(attacks: Sequence[NamedAttack]) -> list[View]:
    """Each white-box view once."""
    views = {repr(named.view): named.view for named in attacks if named.knowledge == "white_box"}
    return [view for view in views.values() if view.is_deployed]


def _adversary(view: View) -> str:
    inner = getattr(view, "view", view)  # of a neighbourhood
    words = ["white box", getattr(inner, "backward", None), "averaged" if inner is not view else None]
    return ", ".join(word for word in words if word)


def _budget(named: NamedAttack) -> tuple[str, float, bool] | None:
    """Norm, eps and whether that is relative to the image; None of an attack without a bound."""
    attack = getattr(named.attack, "attack", named.attack)  # noise has the size of another attack's perturbation
    norm, eps = getattr(attack, "norm", None), getattr(attack, "eps", None)
    if norm is None or eps is None:
        return None
    return norm, float(Fraction(eps)), bool(getattr(attack, "relative", False))


def compare_rows(attacks: Sequence[NamedAttack], samples: Samples) -> list[Finding]:
    """Attacks of one budget that should be ordered and are not; whoever knows or does more can do no worse by right."""
    groups = defaultdict(list)
    for named in attacks:
        if named.name in samples.attacks and (budget := _budget(named)) is not None:
            groups[budget].append(named)
    found: list[Finding] = []
    for (norm, eps, relative), group in groups.items():
        where = f"{norm} {eps:.4g}{' of the image' if relative else ''}"
        white = [named for named in group if named.knowledge == "white_box"]
        for view in {repr(named.view): named.view for named in white}.values():
            of_view = [named for named in white if repr(named.view) == repr(view)]
            for single in [named for named in of_view if named.attack.single_step]:
                many = [named for named in of_view if not named.attack.single_step]
                meaning = "its gradient misleads after the first step"
                found += _compared("single_step_stronger", _adversary(view), where, samples, single, many, meaning)
        for named in group:
            flag, meaning = _SHOULD_BE_WEAKER.get(named.knowledge, ("", ""))
            if flag:
                found += _compared(flag, named.knowledge.replace("_", " "), where, samples, named, white, meaning)
    return found


_SHOULD_BE_WEAKER = {
    "black_box": ("black_box_stronger", "gradients may be masked, and the white-box numbers too good"),
    "gray_box": ("transfer_stronger", "gradients may be masked, and the white-box numbers too good"),
    "transfer": ("transfer_stronger", "gradients may be masked, and the white-box numbers too good"),
    "control": ("noise_stronger", "the attacks are no better than chance"),
}


def _compared(
    flag: str,
    adversary: str,
    where: str,
    samples: Samples,
    weaker: NamedAttack,
    stronger: Sequence[NamedAttack],
    meaning: str,
) -> Iterator[Finding]:
    """Raised where one attack that should be weaker fools more samples than the others together, sample by sample."""
    if not stronger:
        return
    right = samples.right()
    alone = int((right & ~samples.right(weaker.name)).sum())
    together = int((right & torch.stack([~samples.right(named.name) for named in stronger]).any(dim=0)).sum())
    names = ", ".join(named.name for named in stronger)
    sentence = f"at {where} {weaker.name} fools {alone} of {int(right.sum())} samples and {names} {together}"
    yield Finding(flag, adversary, alone > together, f"{sentence}: {meaning}." if alone > together else f"{sentence}.")


def _randomised(model: DefendedClassifier, batch: Batch) -> Finding:
    with torch.no_grad():
        first, second = model(batch.image), model(batch.image)
    apart = ((first - second).abs() / (1 + first.abs())).max().item()
    raised = apart > 1e-4
    sentence = "two forwards of one image agree."
    if raised:
        sentence = f"two forwards of one image differ by {apart:.2g}: average gradients over them with `eot_iter`."
    return Finding("randomised", "deployed model", raised, sentence)


def _of_view(view: View, model: DefendedClassifier, batch: Batch, attacks: Sequence[NamedAttack]) -> Iterator[Finding]:
    logits, adversary = view(model), _adversary(view)
    images, labels, indices = batch
    number = len(labels)

    def finding(flag: str, count: int, bad: str, good: str) -> Finding:
        raised = count > max(_CHANCE * number, _FEW)
        return Finding(flag, adversary, raised, f"{count} of {number} {bad}." if raised else good)

    try:
        _, gradient = value_and_gradient(logits, images, lambda found: cross_entropy(found, labels), labels)
    except ValueError as error:
        yield Finding("zero_gradients", adversary, True, f"there is no usable gradient: {error}")
        return
    zeros = int((gradient.flatten(1).abs().amax(dim=1) == 0).sum())
    yield finding(
        "zero_gradients", zeros, "gradients are exactly zero, and an attack that follows them stays where it is; use "
        "another backward mode, or an attack that asks for no gradient", "no gradient to speak of is exactly zero.",
    )  # fmt: skip
    climbed = PGD(eps="8/255", steps=20, step_size="1/255", random_start=False)(logits, images, labels, indices)
    with torch.no_grad():
        flat = int((margin(logits(climbed), labels) <= margin(logits(images), labels)).sum())
    yield finding(
        "loss_does_not_rise", flat, "losses are no higher after 20 steps up the gradient than before them; it does not "
        "point where the loss rises", "the loss rises along the gradient.",
    )  # fmt: skip
    unbounded = PGD(eps=1.0, steps=100, step_size=0.02, random_start=False, loss="cw", early_stop=True)
    with torch.no_grad():
        standing = int((model(unbounded(logits, images, labels, indices)).argmax(dim=1) == labels).sum())
    yield finding(
        "unbounded_attack_fails", standing, "samples withstand an attack that may change every pixel as it likes, "
        "which no classifier can: the attack fails, not the adversary", "an attack without a bound fools the model.",
    )  # fmt: skip
    bounded = next((named for named in attacks if named.view == view and _budget(named) is not None), None)
    if bounded is not None and not getattr(bounded.attack, "relative", False):
        attack = PGD(eps=bounded.attack.eps, norm=bounded.attack.norm, steps=20, early_stop=True)  # type: ignore[attr-defined]
        more = int(_falls(model, logits, batch, attack, 5).sum() - _falls(model, logits, batch, attack, 1).sum())
        yield finding(
            "restarts_still_help", more, "more samples fall to 5 random starts than to 1; use more of them",
            "further random starts bring down hardly any sample.",
        )  # fmt: skip


def _falls(model: DefendedClassifier, logits: Model, batch: Batch, attack: PGD, n_restarts: int) -> Tensor:
    adversarial = replace(attack, n_restarts=n_restarts)(logits, *batch)
    with torch.no_grad():
        return model(adversarial).argmax(dim=1) != batch.label
