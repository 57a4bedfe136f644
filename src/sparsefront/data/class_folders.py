"""Which pictures a tree of class folders holds."""

from pathlib import Path
from typing import NamedTuple

from torchvision import datasets

from sparsefront.data.parts import PartName

MEND = "point --data.init_args.root to a folder of class folders, or of train/ and optional val/ and test/ with such"


class ClassFolders(NamedTuple):
    """Pictures by class.

    Attributes:
        names: the class folders' names, sorted: class k is the k-th.
        paths: the pictures, class by class and sorted, as torchvision's ImageFolder lists them.
        labels: their classes.
    """

    names: list[str]
    paths: list[str]
    labels: list[int]


def list_parts(root: str) -> dict[PartName, ClassFolders]:
    """List a tree: its train/, val/ and test/ folders where it has train/, else `root` itself as "train".

    Args:
        root: the tree.

    Returns:
        What each part holds.

    Raises:
        ValueError: no such folder, no class folder, a class folder without pictures, val/ or test/ without train/,
            parts whose classes differ.
    """
    folder = Path(root)
    names: tuple[PartName, ...] = ("train", "val", "test")
    present = [name for name in names if (folder / name).is_dir()]
    if not present:
        return {"train": list_classes(folder, MEND)}
    if "train" not in present:
        raise ValueError(
            f"`root` must hold train/ where it holds {present[0]}/, found none in '{root}'; add it, or to evaluate"
            f" alone write root: {folder / present[0]} with test_size: 1.0 and val_size: 0."
        )
    parts = {name: list_classes(folder / name, MEND) for name in present}
    for name, part in parts.items():
        if differing := sorted({*part.names} ^ {*parts["train"].names}):
            raise ValueError(
                f"`root` must hold the same class folders in train/ and {name}/, found {len(differing)} in only one of"
                f" them in '{root}', the first is '{differing[0]}'; add or remove class folders."
            )
    return parts


def list_classes(folder: Path, mend: str) -> ClassFolders:
    """List a folder of class folders.

    Args:
        folder: holds them.
        mend: what to do where it does not.

    Returns:
        What it holds.

    Raises:
        ValueError: no such folder, no class folder, a class folder without pictures.
    """
    if not folder.is_dir():
        raise ValueError(f"`root` must be a folder, found '{folder}', which is none; {mend}.")
    try:
        listing = datasets.ImageFolder(str(folder))
    except (OSError, RuntimeError) as error:  # torchvision says which class has no picture and what it takes for one
        raise ValueError(f"`root` must hold pictures by class, found none ({error}) in '{folder}'; {mend}.") from error
    return ClassFolders(listing.classes, [path for path, _ in listing.samples], [label for _, label in listing.samples])
