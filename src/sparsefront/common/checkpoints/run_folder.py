"""Which checkpoint of a run is meant."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

from sparsefront.common.checkpoints.checkpoint import Checkpoint, content_of, number_in
from sparsefront.common.checkpoints.taken_weights import TAKEN, taken_weights
from sparsefront.common.home import at_home
from sparsefront.common.joined_words import joined_words
from sparsefront.common.run_versions import versions_of

FOLDER = "checkpoints"
LAST = "last.ckpt"
FRONT_END = "frontend.ckpt"


def find_checkpoint(asked: str | Path, setting: str, front_end: bool = False) -> Checkpoint:
    """The checkpoint that a path means: a file; or a folder's newest whole one.

    In the folder of a run it is that of the version of the highest number that has a whole checkpoint, in the folder of
    a version the one of the highest step. Steps are those in the files: a copy is as old as what it was copied from. A
    file `hpc_ckpt_N.ckpt` in the folder of a run is taken if it is further than that.

    Args:
        asked: a file, the folder of a run, of one of its versions, or its `checkpoints`; `~` is the home folder.
        setting: what the user named it by, for the sentence.
        front_end: whether a front end that learned, and was trained with no classifier yet, will do.

    Raises:
        FileNotFoundError: there is no such file, or none in the folder.
        ValueError: an address elsewhere, or a folder with damaged files alone.
    """
    if "://" in str(asked):
        raise ValueError(f"`{setting}` must name a file or folder on this machine, found {asked}; download it first.")
    path = at_home(Path(asked))
    if path.is_file():
        return Checkpoint.at(path)
    found = next((one for folder in _homes(path) if (one := newest_checkpoint(folder, setting)) is not None), None)
    if whole := [*([] if found is None else [found]), *_saved_for_slurm(path)]:
        return max(whole, key=lambda one: one.step or 0)
    files = [file for folder in _homes(path) for file in _files(folder)]
    if front_end and (alone := [file for file in files if file.name == FRONT_END and content_of(file) is not None]):
        return Checkpoint.at(alone[0])
    if torn := [file for file in files if file.name != FRONT_END]:
        raise ValueError(
            f"`{setting}` must name a run with a whole checkpoint, found {joined_words(torn)}, which "
            f"{'do' if len(torn) > 1 else 'does'} not load; name another."
        )
    where = "in" if path.is_dir() else "at"
    raise FileNotFoundError(
        f"`{setting}` must name a checkpoint file, found none {where} {asked}; the folder of a run will do, too."
    )


def last_checkpoint(run_dir: str | Path, configs: Iterable[str | Path] = (), setting: str = "ckpt_path") -> Checkpoint:
    """Find the checkpoint that `last` means.

    Args:
        run_dir: the run's folder.
        configs: the configuration files given. One that lies beside checkpoints, as each fit's own does, says which
            version is meant, and one of a test means the weights that it tested; without such a one it is the newest
            version in `run_dir` that has a whole checkpoint.
        setting: what the user named it by, for the sentence.

    Raises:
        FileNotFoundError: there is no checkpoint.
        ValueError: those that are there are damaged, the configuration files lie in several versions, or what was
            tested is no longer there.
    """
    beside = dict.fromkeys(at_home(Path(config)).resolve().parent for config in configs)
    own = [folder for folder in beside if any(file.name != FRONT_END for file in _files(folder))]
    versions = [_shown(folder) for folder in own or [folder for folder in beside if (folder / TAKEN).is_file()]]
    if len(versions) > 1:
        raise ValueError(
            f"`{setting}` last must mean one version, found configuration files of {joined_words(versions)}; name the "
            "version's folder instead."
        )
    if versions and not own:
        return taken_weights(versions[0], setting)
    return find_checkpoint(versions[0] if versions else run_dir, setting)


def newest_checkpoint(folder: Path, setting: str = "ckpt_path") -> Checkpoint | None:
    """The whole checkpoint of the highest step in a version's folder, None if there is none.

    Of several of one step the later epoch's is taken, then `last.ckpt`. That others are damaged is said in a warning.
    """
    whole: list[tuple[int, int, bool, Path]] = []
    torn: list[Path] = []
    for file in _files(folder):
        if file.name == FRONT_END:
            continue
        content = content_of(file) or {}
        epoch, step = number_in(content, "epoch"), number_in(content, "global_step")
        if epoch is None or step is None:
            torn.append(file)
        else:
            whole.append((step, epoch, file.name == LAST, file))
    if not whole:
        return None
    found = Checkpoint.at(max(whole)[-1])
    if torn:
        warnings.warn(f"`{setting}`: {joined_words(torn)} cannot be read whole; taken is {found}.", stacklevel=2)
    return found


def has_checkpoint(run_dir: str | Path) -> bool:
    """Whether a run has a checkpoint to go on from, were it a damaged one."""
    files = (file for folder in _homes(at_home(Path(run_dir))) for file in _files(folder))
    return any(file.name != FRONT_END for file in files)


def _homes(folder: Path) -> Sequence[Path]:
    """Where the checkpoints of a run may be: in its versions, or, as in older runs, beside them."""
    return [*versions_of(folder), folder]


def _files(folder: Path) -> list[Path]:
    home = folder if folder.name == FOLDER else folder / FOLDER
    return sorted(path for path in home.glob("*.ckpt") if path.is_file() and not path.name.startswith("."))


def _saved_for_slurm(folder: Path) -> list[Checkpoint]:
    """What Lightning alone saves in a run's folder before the time limit of a job."""
    found = [Checkpoint.at(path) for path in sorted(folder.glob("hpc_ckpt_*.ckpt"))]
    return [one for one in found if one.step is not None]


def _shown(path: Path) -> Path:
    """Relative to the working folder where it lies in it, as the user names it."""
    here = Path.cwd().resolve()
    return path.relative_to(here) if path.is_relative_to(here) else path
