"""Folders that are parts of a data set under other names than this project's."""

from collections.abc import Collection
from pathlib import Path

PARTS = ("train", "val", "test")
TRAINING = {"train", "training"}
EVALUATION = {"val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"}


def check_flat(classes: Collection[str], root: str) -> None:
    """Refuse a tree whose classes would be the parts of a data set, e.g. Training/ and Testing/.

    Args:
        classes: the class folders' names.
        root: holds them.

    Raises:
        ValueError: one is called like training, another like validation or test.
    """
    training = [name for name in classes if name.casefold() in TRAINING]
    evaluation = [name for name in classes if name.casefold() in EVALUATION]
    if training and evaluation:
        raise ValueError(
            f"`root` must call its parts train/, val/ and test/, found {training[0]}/ and {evaluation[0]}/ in '{root}',"
            " which would be classes; rename them."
        )


def check_beside_parts(names: Collection[str], root: Path) -> None:
    """Refuse a part that would be left out unsaid, e.g. valid/ beside train/.

    Args:
        names: the folders in `root`, which holds train/ and perhaps val/ and test/.
        root: holds them.

    Raises:
        ValueError: a folder that is none of these and is called like one of them.
    """
    part_folders = [root / part for part in PARTS if (root / part).is_dir()]
    for name in names:
        alike = name.casefold() in TRAINING | EVALUATION
        if alike and not any((root / name).samefile(part) for part in part_folders):
            raise ValueError(
                f"`root` must call its parts train/, val/ and test/, found {name}/ beside them in '{root}', which would"
                " be left out; rename or remove it."
            )
