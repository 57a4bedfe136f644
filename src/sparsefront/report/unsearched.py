"""What a worst case does not rest on."""

from sparsefront.common.budget import Budget
from sparsefront.results.run import Run

#: Signs that only the probes look for, whatever they find (`evaluation.diagnostics`).
PROBED = ("randomised", "zero_gradients", "loss_does_not_rise", "unbounded_attack_fails", "restarts_still_help")


def unsearched(run: Run, ball: Budget | None = None) -> list[str]:
    """Of an adversary who asks for answers alone, and of probes for masked gradients, those that were not there.

    Without them a front end that hides its gradients looks robust: attacks that follow gradients fail, and nothing
    says so.

    Args:
        run: an evaluation.
        ball: if given, the black box must keep to it, or look for the smallest perturbation in its norm.

    Returns:
        "no black box" and "no diagnostics", as the case is.
    """
    asking = [attack for attack in run.completed if attack.asks_only and attack.knowledge != "control"]
    if ball is None:
        asked = any(attack.in_worst_case for attack in asking)
    else:
        asked = any(attack.may_stay_inside(ball) for attack in asking)
    probed = any(sign["flag"] in PROBED for sign in run.provenance.get("diagnostics") or [])
    return [*([] if asked else ["no black box"]), *([] if probed else ["no diagnostics"])]
