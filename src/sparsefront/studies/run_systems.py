"""The systems of a study, one after the other or several at a time."""

from collections.abc import Sequence

from sparsefront.studies.system import System
from sparsefront.studies.turn import take_turn


def run_systems(systems: Sequence[System]) -> dict[str, str]:
    """Do what is left to do of each system, in their order; one that fails keeps only those from running that need it.

    Args:
        systems: each after those that it needs.

    Returns:
        Why a system has no results, by its name; empty if all have.
    """
    reasons = {system.name: take_turn(system, _say) for system in systems}
    return {name: reason for name, reason in reasons.items() if reason}


def _say(text: str, end: str) -> None:
    print(text, end=end, flush=True)
