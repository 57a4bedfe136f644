"""Which of a network's classes a folder shows."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparsefront.common.home import at_home
from sparsefront.common.nearest import nearest
from sparsefront.data.files.picture_error import shown

IMAGENET = "imagenet"
WORDNET = re.compile(r"(n\d{8})[\s,:]+(.+)")


class ClassList:
    """The classes of a network, in the order of its outputs.

    A class has one name or several. Of a line `n01440764 tench, Tinca tinca`, the WordNet number, each name and all
    names together stand for the class; capitals, underscores and blanks make no difference.

    Args:
        classes: "imagenet" for the 1,000 classes that networks trained on ImageNet have, by WordNet numbers and names;
            the path of a text file with a class a line; or the lines.

    Raises:
        ValueError: no such file, one that is no text, or fewer than two classes.
    """

    def __init__(self, classes: str | Sequence[str]) -> None:
        self.what = "the list" if not isinstance(classes, str) else "ImageNet" if classes == IMAGENET else classes
        lines = _lines(classes)
        if len(lines) < 2:
            raise ValueError(
                f"`classes` must name two classes or more, found {len(lines)} in {self.what}; name them all."
            )
        self.names = [re.split(r"[\s,:]", line)[0] if WORDNET.fullmatch(line) else line for line in lines]
        self._numbers: dict[str, set[int]] = {}
        for number, line in enumerate(lines):
            for name in _names(line):
                self._numbers.setdefault(name, set()).add(number)

    def __len__(self) -> int:
        return len(self.names)

    def numbers(self, folders: Sequence[str], root: str) -> list[int]:
        """The number of each folder's class.

        Args:
            folders: their names.
            root: where they are, for messages.

        Returns:
            One number a folder, no two alike.

        Raises:
            ValueError: a folder that is none of the classes or several, or two folders of one class.
        """
        possible = {folder: self._numbers.get(_plain(folder), set()) for folder in folders}
        self._check_known(possible, root)
        for folder, numbers in possible.items():
            if len(numbers) > 1:
                several = " and ".join(self.names[number] for number in sorted(numbers))
                raise ValueError(
                    f"`classes` must tell which class each folder in '{root}' shows, found {shown(folder)}, which is a"
                    f" name of {several}; call the folder by one of these."
                )
        single = {folder: min(numbers) for folder, numbers in possible.items()}
        folder_of: dict[int, str] = {}
        for folder, number in single.items():
            if folder_of.setdefault(number, folder) != folder:
                raise ValueError(
                    f"`root` must hold one folder a class, found {shown(folder_of[number])} and {shown(folder)} in"
                    f" '{root}', both {self.names[number]}; join them."
                )
        return list(single.values())

    def _check_known(self, possible: Mapping[str, set[int]], root: str) -> None:
        unknown = [folder for folder, numbers in possible.items() if not numbers]
        if unknown:
            near = nearest(unknown[0], self._numbers)
            hint = f", near it are {', '.join(near)}" if near else ""
            raise ValueError(
                f"`classes` must name the class of every folder in '{root}', found {len(unknown)} of {len(possible)}"
                f" that are none of the {len(self):,} of {self.what}, the first is {shown(unknown[0])}{hint}; rename"
                " these folders or name another list."
            )


def _lines(classes: str | Sequence[str]) -> list[str]:
    if not isinstance(classes, str):
        return [str(line).strip() for line in classes]
    if classes == IMAGENET:
        from timm.data import ImageNetInfo  # takes seconds, which others need not wait

        info = ImageNetInfo()
        return [f"{name} {info.label_name_to_description(name)}" for name in info.label_names()]
    path = Path(at_home(classes))
    try:
        if path.exists() and not path.is_file():  # a named pipe would be waited for
            raise OSError(0, "no ordinary file")
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise ValueError(
            f"`classes` must be {IMAGENET}, a text file with a class a line, or a list of names, found {shown(classes)}"
            f" ({reason}); name such a file."
        ) from error


def _names(line: str) -> set[str]:
    """All that a line calls its class."""
    split = WORDNET.fullmatch(line)
    rest = split[2] if split else line
    return {
        _plain(name) for name in (line, rest, *rest.split(","), *(split.groups()[:1] if split else ())) if name.strip()
    }


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
