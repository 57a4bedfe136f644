"""Which pictures a tree of class folders holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pytorch_lightning.utilities import rank_zero_only
from torchvision.datasets.folder import IMG_EXTENSIONS

from sparsefront.common.home import at_home
from sparsefront.data.files.part_names import check_beside_parts, check_flat
from sparsefront.data.files.picture_error import shown
from sparsefront.data.files.picture_files import Identity, PictureFile, list_folders, list_pictures, loose_pictures
from sparsefront.data.splits.parts import PartName

MEND = "point --data.init_args.root to a folder of class folders, or of train/ and optional val/ and test/ with such"


class ClassFolders(NamedTuple):
    """Pictures by class.

    Attributes:
        names: the class folders' names, sorted: class k is the k-th.
        paths: the pictures, class by class and sorted, as torchvision's ImageFolder lists them, but without hidden ones
            and each real file once.
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
            parts whose classes differ, folders that are parts by other names, a file in two classes or parts.
    """
    folder = Path(at_home(root))
    names: tuple[PartName, ...] = ("train", "val", "test")
    present = [name for name in names if (folder / name).is_dir()]
    if not present:
        flat = list_classes(folder, MEND)
        check_flat(flat.names, root)
        return {"train": flat}
    if "train" not in present:
        raise ValueError(
            f"`root` must hold train/ where it holds {present[0]}/, found none in '{root}'; add it, or to evaluate"
            f" alone write root: {folder / present[0]} with test_size: 1.0 and val_size: 0."
        )
    files = {name: _by_class(folder / name, MEND) for name in present}
    parts = {name: _joined(by_class) for name, by_class in files.items()}
    for name, part in parts.items():
        if differing := sorted({*part.names} ^ {*parts["train"].names}):
            raise ValueError(
                f"`root` must hold the same class folders in train/ and {name}/, found {len(differing)} in only one of"
                f" them in '{root}', the first is '{differing[0]}'; add or remove class folders."
            )
    check_beside_parts(list_folders(folder), folder)
    _refuse_leaks(files)
    return parts


def list_classes(folder: Path, mend: str) -> ClassFolders:
    """List a folder of class folders.

    Args:
        folder: holds them.
        mend: what to do where it does not.

    Returns:
        What it holds.

    Raises:
        ValueError: no such folder, no class folder, a class folder without pictures, a file in two classes.
    """
    return _joined(_by_class(folder, mend))


def _by_class(folder: Path, mend: str) -> dict[str, list[PictureFile]]:
    if not folder.is_dir():
        raise ValueError(f"`root` must be a folder, found '{folder}', which is none; {mend}.")
    names = list_folders(folder)
    for name in names:
        _check_text(name, folder)
    left_out = loose_pictures(folder)
    by_class = {name: list_pictures(folder / name, left_out) for name in names}
    empty = [name for name, files in by_class.items() if not files]
    if empty or not names:
        found = f"no picture in {', '.join(map(shown, empty))}" if empty else "no class folder"
        raise ValueError(
            f"`root` must hold pictures by class, found {found} in '{folder}', where a picture's name ends in"
            f" {', '.join(IMG_EXTENSIONS)}; {mend}."
        )
    _refuse_two_classes(by_class)
    _say_left_out(left_out, folder)
    return by_class


def _joined(by_class: Mapping[str, Sequence[PictureFile]]) -> ClassFolders:
    paths = [file.path for files in by_class.values() for file in files]
    labels = [label for label, files in enumerate(by_class.values()) for _ in files]
    return ClassFolders(list(by_class), paths, labels)


def _check_text(name: str, folder: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"`root` must hold folders whose names are text in UTF-8, found {shown(name)} in '{folder}'; rename it."
        ) from None


@rank_zero_only
def _say_left_out(paths: list[str], folder: Path) -> None:
    if paths:
        print(
            f"{len(paths)} pictures in '{folder}' are left out, the first is {shown(paths[0])}: what counts lies in a"
            f" class folder and its name ends in {', '.join(IMG_EXTENSIONS)}.",
            flush=True,
        )


def _refuse_two_classes(by_class: Mapping[str, Sequence[PictureFile]]) -> None:
    first: dict[Identity, tuple[str, str]] = {}
    for name, files in by_class.items():
        for file in files:
            if file.real is not None and first.setdefault(file.real, (file.path, name))[1] != name:
                raise ValueError(
                    f"`root` must hold each picture in one class, found one file in two: {shown(first[file.real][0])}"
                    f" and {shown(file.path)}; remove one of these links."
                )


def _refuse_leaks(parts: Mapping[PartName, Mapping[str, Sequence[PictureFile]]]) -> None:
    first: dict[Identity, str] = {}
    for part in reversed(list(parts.values())):
        real_files = {file.real: file.path for files in part.values() for file in files if file.real is not None}
        if both := first.keys() & real_files.keys():
            path_before, path = min((first[real], real_files[real]) for real in both)
            raise ValueError(
                f"`root` must hold each picture in one of train/, val/ and test/, found {len(both)} in two of them, the"
                f" first is {shown(path)}, which is also {shown(path_before)}; remove one of these links."
            )
        first |= real_files
