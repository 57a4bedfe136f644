"""Several systems in one folder."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparsefront.common.nearest import nearest
from sparsefront.studies.slurm_allocation import as_no_task
from sparsefront.studies.system import System


@dataclass(frozen=True)
class Study:
    """What is fitted and tested into one folder, system by system.

    Attributes:
        folder: of its runs and its report.
        systems: in their order; each comes after those that it needs.
    """

    folder: Path
    systems: tuple[System, ...]

    def pick(self, chosen: Iterable[str] | None) -> list[System]:
        """The systems that `--only` names, all without it; one that is run at several values is all of those.

        Raises:
            ValueError: a name that none has.
        """
        if chosen is None:
            return list(self.systems)
        picked: set[str] = set()
        for name in chosen:
            meant = {one.name for one in self.systems if one.name == name or one.name.startswith(f"{name}, ")}
            if not meant:
                known = [system.name for system in self.systems]
                raise ValueError(f"`--only` must name systems of the study, found {name}; {near(name, known)}")
            picked |= meant
        return [system for system in self.systems if system.name in picked]

    def check(self, chosen: Sequence[System], dry_run: Callable[[list[str]], None]) -> None:
        """Find whatever cannot be right before the first fit.

        Args:
            chosen: the systems that are to run.
            dry_run: exits with a sentence on arguments of `sparsefront`, its verb first, that cannot be right.

        Raises:
            ValueError: a folder holds runs of other settings, a needed system is not chosen, or a setting was refused.
        """
        from sparsefront.studies.record import check_same, is_done, is_fitted  # with torch, which reads checkpoints

        for system in self.systems:
            check_same(system)
        for system in chosen:
            if is_done(system):
                continue
            unfitted = tuple(other for other in system.needs if not is_fitted(other))
            if absent := [other.name for other in unfitted if other not in chosen]:
                raise ValueError(
                    f"`--only` must also name {absent[0]}, which {system.name} needs and which is not fitted."
                )
            try:
                # A test would ask for weights that are not there yet.
                verb = "fit" if system.fit or unfitted else "test"
                with as_no_task():
                    dry_run([verb, *system.arguments_without(unfitted), "--run_dir", str(system.folder)])
            except SystemExit:
                raise ValueError(f"refused at system {system.name}; nothing was fitted or tested.") from None


def near(word: str, known: Sequence[str]) -> str:
    """What may have been meant, the end of a sentence."""
    words = nearest(word, known) or list(known)
    return f"did you mean {' or '.join(words)}?" if words else "check the path."
