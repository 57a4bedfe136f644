"""The patches that dictionaries start from."""

from torch import Tensor

from sparsefront.common.processes import Processes

_FLAT = 1e-4  # norm up to which a patch without its mean is rounding


def first_atoms(
    patches: Tensor,
    n_atoms: int,
    processes: Processes,
    lacking: str = "flat",
    mend: str = "raise `data.batch_size` or lower `n_atoms`",
) -> Tensor:
    """The first patches of the first process, for all processes to start from.

    Args:
        patches: (N, m), of this process's first batch.
        n_atoms: K, of the dictionary.
        processes: that learn together.
        lacking: what those patches are not, for the sentence: `empty` or `flat`.
        mend: what to do where there are too few, for the sentence.

    Returns:
        (K, m), on the CPU, where dictionaries are learned.

    Raises:
        ValueError: the first process has fewer patches than atoms; on every process.
    """
    start = processes.from_first(patches[:n_atoms].cpu())  # before the check, so that all processes end or none
    if len(start) < n_atoms:
        raise ValueError(
            f"The first batch must hold at least `n_atoms` = {n_atoms} patches that are not {lacking}, found "
            f"{len(start)}; {mend}."
        )
    return start


def without_flat(patches: Tensor) -> Tensor:
    """Return the patches of (N, m), less their means, that are more than rounding, in their order."""
    return patches[patches.norm(dim=1) > _FLAT]
