"""What is wrong with a picture file, in one sentence."""


class PictureError(ValueError):
    """A picture file that cannot be served.

    A `DataLoader` raises what its processes raise anew, with their traceback for a message. This error finds its own
    sentence in it, so that one sentence is what is raised in the main process too, whatever loader met the file.

    Args:
        message: the sentence, or the traceback that ends in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{__name__}.{type(self).__name__}: ")[2].rstrip())


def shown(path: str) -> str:
    """A path between quotes for a message of one line.

    Args:
        path: a name may hold line breaks, codes that terminals obey, and bytes that are no text.

    Returns:
        It, such characters escaped.
    """
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path) + "'"
