"""What a sign on too many samples means and what to do, and what its absence means."""

from sparsefront.attacks.signs import Sign

#: Of what a model gives out, and of its gradients: in the order in which they are looked for.
OF_OUTPUTS: tuple[Sign, ...] = ("outputs_sum_to_one", "answers_without_scores")
OF_GRADIENTS: tuple[Sign, ...] = (
    "loss_does_not_rise",
    "gradient_points_down",
    "rippled",
    "differences_disagree",
    "gradient_draws_differ",
)

#: After "12 of 50 ", and where few or none show it.
SENTENCES: dict[Sign, tuple[str, str]] = {
    "outputs_sum_to_one": (
        "outputs are probabilities, in which cross entropy sees next to nothing; use the view RescaledLogits, which "
        "takes their logarithm",
        "outputs are logits, not probabilities.",
    ),
    "answers_without_scores": (
        "answers say a class and not how near another one is, so that no loss leads to it; use an attack by decisions "
        "(RayS, HopSkipJump) or the view FittedModel",
        "outputs say how near other classes are.",
    ),
    "loss_does_not_rise": (
        "losses are no higher after 20 steps up the gradient than before them; it does not point where the loss rises",
        "the loss rises along the gradient.",
    ),
    "gradient_points_down": (
        "losses fall along their gradient and rise against it; use the view OppositeGradient",
        "the gradient points up.",
    ),
    "rippled": (
        "gradients have next to nothing in common with those a gray level beside; use the view Neighbourhood, mirrored",
        "gradients at neighbouring points agree.",
    ),
    "differences_disagree": (
        "gradients do not foretell how the loss changes; use another backward mode, the views Neighbourhood or "
        "FittedModel, or an attack that asks for no gradient",
        "gradients foretell how the loss changes.",
    ),
    "gradient_draws_differ": (
        "gradients change from call to call; average over several with `eot_iter`",
        "the gradient is the same in every call.",
    ),
}
