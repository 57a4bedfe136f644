"""The picture files below a folder, each real one once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torchvision.datasets.folder import IMG_EXTENSIONS

from sparsefront.data.files.picture_error import shown

# What operating systems and servers put beside pictures: metadata, things found again, thumbnails, rubbish.
SYSTEM_FOLDERS = {"__macosx", "lost+found", "@eadir", "#recycle", "$recycle.bin", "system volume information"}

# Names of pictures that torchvision's ImageFolder does not list.
OTHER_EXTENSIONS = (
    *(".apng", ".avif", ".avifs", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpf", ".jpx"),
    *(".jxl", ".pbm", ".pfm", ".pnm", ".psd", ".tga"),
)

ALL_EXTENSIONS = (*IMG_EXTENSIONS, *OTHER_EXTENSIONS)

Identity = tuple[int, int]


class PictureFile(NamedTuple):
    """A file with the name of a picture.

    Attributes:
        path: where it was found.
        real: (device, number), the same for all names of one file; None for a link that leads nowhere.
    """

    path: str
    real: Identity | None


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or the operating system's own."""
    return name.startswith(".") or name.casefold() in SYSTEM_FOLDERS


def list_folders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted: without hidden ones and links to it or to what it lies in.

    Raises:
        ValueError: a folder that cannot be read.
    """
    own = _lineage(folder)
    return sorted(
        entry.name
        for entry in _entries(str(folder))
        if _is_folder(entry) and not (entry.is_symlink() and _identity(entry.path) in own)
    )


def loose_pictures(folder: Path) -> list[str]:
    """Paths of the pictures in a folder that are in no folder within it, hidden ones left out."""
    return [entry.path for entry in _entries(str(folder)) if not _is_folder(entry) and _has(entry, ALL_EXTENSIONS)]


def list_pictures(folder: Path, left_out: list[str] | None = None) -> list[PictureFile]:
    """List the pictures in a folder and the folders in it, as torchvision's ImageFolder does, but each real file once.

    Hidden files and folders are left out, links are followed: to each folder once, and never to what they lie in
    themselves. Of several names of a file the first counts that is no link and is reached without one, if there is any.

    Args:
        folder: to search.
        left_out: gets the paths of pictures whose names have a suffix that is not listed.

    Returns:
        Files by the suffix of their names, sorted by folder and name.

    Raises:
        ValueError: a folder that cannot be read.
    """
    pictures: dict[Identity | str, tuple[bool, str, str, PictureFile]] = {}
    for inside, by_link, entry in _walk(folder):
        if not _has(entry, IMG_EXTENSIONS):
            if left_out is not None:
                left_out.append(entry.path)
            continue
        picture = _picture(entry)
        ranked = (by_link or entry.is_symlink(), inside, entry.name, picture)
        key = picture.real or picture.path
        pictures[key] = min(ranked, pictures.get(key, ranked))
    return [picture for _, _, _, picture in sorted(pictures.values(), key=lambda ranked: ranked[1:3])]


def _walk(folder: Path) -> Iterator[tuple[str, bool, os.DirEntry[str]]]:
    """Files by the suffix of a picture: their folder, whether a link led there, and themselves."""
    visited = {_identity(str(folder))}
    own = _lineage(folder)
    folders, links = [str(folder)], list[str]()
    by_link = False
    while folders or links:
        if not folders:  # all that is really here comes first
            by_link = True
            folders = [links.pop(0)]
            if (real := _identity(folders[0])) in visited or real in own | _lineage(Path(folders[0]).parent):
                folders = []
                continue
            visited.add(real)
        inside = folders.pop()
        for entry in _entries(inside):
            if _is_folder(entry):
                if entry.is_symlink():
                    links.append(entry.path)
                elif (real := _identity(entry.path)) not in visited:
                    visited.add(real)
                    folders.append(entry.path)
            elif _has(entry, ALL_EXTENSIONS):
                yield inside, by_link, entry


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not is_hidden(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(
            f"`root` must hold folders that can be read, found {shown(folder)} ({error.strerror}); change its"
            " permissions, or remove it."
        ) from error


def _has(entry: os.DirEntry[str], extensions: tuple[str, ...]) -> bool:
    return entry.name.lower().endswith(extensions)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _picture(entry: os.DirEntry[str]) -> PictureFile:
    try:
        return PictureFile(entry.path, _identity(entry.path))
    except OSError:  # said when it is read, with all other files that cannot be
        return PictureFile(entry.path, None)


def _identity(path: str) -> Identity:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _lineage(folder: Path) -> set[Identity]:
    """A folder and what it lies in, by its name and really."""
    named, real = Path(os.path.abspath(folder)), folder.resolve()
    return {_identity(str(one)) for path in (named, real) for one in (path, *path.parents)}
