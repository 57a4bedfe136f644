"""Signs, on a few samples, that a robust accuracy comes from hidden gradients."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sparsefront.attacks import PGD, Budget, NamedAttack, View, WhiteBox, cross_entropy, value_and_gradient
from sparsefront.attacks.signs import SeenSigns, Sign
from sparsefront.attacks.signs.draws_differ import MOST, apart
from sparsefront.common.stopping import polled
from sparsefront.data.batch import Batch
from sparsefront.evaluation.sign_sentences import OF_GRADIENTS, OF_OUTPUTS, SENTENCES
from sparsefront.model.defended import DefendedClassifier
from sparsefront.results.finding import Finding, adversary_of, tolerated

Model = Callable[[Tensor], Tensor]


_PLAIN = WhiteBox(), WhiteBox(zero_where_none=True)  # views of the same values, in which signs are the same


def probe(
    model: DefendedClassifier,
    attacks: Sequence[NamedAttack],
    batch: Batch,
    fitted: Callable[[NamedAttack], View] = lambda named: named.view,
    known: Mapping[Sign, Tensor] | None = None,
) -> list[Finding]:
    """Try a few samples through every white-box view (Athalye et al. 2018, Carlini et al. 2019, Pintor et al. 2022).

    The signs of `sparsefront.attacks.signs`, counted; an attack without bounds that fails, restarts that go on helping,
    logits that change from call to call. A view that cannot be probed to its end is a finding as well.

    Args:
        model: deployed, in evaluation mode and frozen.
        attacks: that were run; their white-box views are probed, but for those of remedies.
        batch: a few samples that the model gets right.
        fitted: the view of an attack, which has seen the training images that it needs.
        known: the signs that these samples show through the default backward mode, as far as attacks have looked for
            them (`SeenSigns`); they are not looked for again.
    """
    findings = list(_to_its_end("deployed model", lambda: iter([_randomised(model, batch)])))
    # A remedy's view is for samples that show a sign, and would show others on those that do not.
    meant = [named for named in attacks if not named.where]
    white = [named for named in meant if named.knowledge == "white_box" and named.view.is_deployed]
    for view in {repr(named.view): named.view for named in white}.values():
        same = [named for named in white if repr(named.view) == repr(view)]
        budget = next((named.attack.budget for named in same if named.attack.budget is not None), None)

        def look(first: NamedAttack = same[0], budget: Budget | None = budget) -> Iterator[Finding]:
            seen = SeenSigns(batch, known if first.view in _PLAIN else None)
            return _of_view(
                _Seen(model, polled(fitted(first).cold()(model)), batch, adversary_of(first.view), seen), budget
            )

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
    most = apart(model, batch.image).max().item()
    raised = most > MOST
    sentence = "two forwards of one image agree."
    if raised:
        sentence = f"two forwards of one image differ by {most:.2g}: average gradients over them with `eot_iter`."
    return Finding("randomised", "deployed model", raised, sentence)


@dataclass(frozen=True)
class _Seen:
    """A few samples, the deployed model, and its logits as an adversary sees them."""

    model: DefendedClassifier
    logits: Model
    batch: Batch
    adversary: str
    signs: SeenSigns

    def showing(self, sign: Sign) -> Tensor:
        """Bool (B,): the samples that show a sign."""
        every = torch.ones_like(self.batch.label, dtype=torch.bool)
        return self.signs.showing((sign,), self.logits, every)

    def finding_of(self, sign: Sign) -> Finding:
        """How many samples show a sign, which is the finding's name too."""
        return self.finding(sign, int(self.showing(sign).sum()), *SENTENCES[sign])

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
    for sign in OF_OUTPUTS:
        yield probed.finding_of(sign)
    images, labels, _ = probed.batch
    try:
        value_and_gradient(probed.logits, images, lambda logits: cross_entropy(logits, labels), labels)
    except ValueError as error:
        yield Finding("zero_gradients", probed.adversary, True, f"there is no usable gradient: {error}")
        return
    zero = probed.showing("zero_gradients")
    zeros, vanishing = int(zero.sum()), int((probed.showing("vanishing") & ~zero).sum())
    yield probed.finding(
        "zero_gradients", zeros + vanishing, f"gradients are exactly zero ({zeros}) or vanish beside what they should "
        f"be ({vanishing}), and an attack that follows them stays where it is; use the loss `cw`, the view "
        "RescaledLogits, another backward mode, or an attack that asks for no gradient",
        "no gradient to speak of is zero or vanishes.",
    )  # fmt: skip
    for sign in OF_GRADIENTS:
        yield probed.finding_of(sign)
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
