"""How often an attack is about to ask a model, from its settings."""

from collections.abc import Sequence

from sparsefront.attacks import Attack, NamedAttack

#: Settings that multiply each other: of each one, so many times the passes of the others.
FACTORS = (
    "steps",
    "n_restarts",
    "eot_iter",
    "n_target_classes",
    "binary_search_steps",
    "n_directions",
    "n_coordinates",
)


def expected_passes(named: NamedAttack) -> float:
    """Passes through the model a sample, at most and roughly: a first guess, until some samples have been attacked."""
    around = getattr(named.view, "n_samples", 1)  # of a neighbourhood
    return _passes(named.attack) * (around if isinstance(around, int) else 1)


def _passes(attack: Attack) -> float:
    parts = getattr(attack, "parts", None)
    if isinstance(parts, Sequence):
        return sum(map(_passes, parts))
    inner = getattr(attack, "attack", None)  # of one that runs another
    count = _passes(inner) if isinstance(inner, Attack) else 2.0  # forward and backward
    sizes = getattr(attack, "sizes", None)
    if isinstance(sizes, Sequence):
        count *= len(sizes)
    queries = getattr(attack, "n_queries", None)
    if isinstance(queries, int):
        return float(queries * getattr(attack, "n_restarts", 1) * getattr(attack, "n_walks", 1))
    for name in FACTORS:
        factor = getattr(attack, name, None)
        count *= factor if isinstance(factor, int) and factor > 0 else 1
    return count
