"""What tables call data that lies in a folder."""

from pathlib import Path

from sparsefront.data.files.part_names import PARTS


def folder_name(root: str) -> str:
    """The name of a folder.

    Args:
        root: its path, as the user wrote it.

    Returns:
        Its last name, and the one before where that is the name of a part, e.g. imagenette2/val; characters that are
        no text are replaced.
    """
    names = Path(root).absolute().parts
    if ".." in names or not Path(root).name:
        names = Path(root).resolve().parts
    kept = names[-2:] if names[-1] in PARTS else names[-1:]
    text = "/".join(kept).replace("//", "/")
    return "".join(letter if letter.isprintable() else "?" for letter in text)
