"""How picture files in class folders are read, as settings."""

from dataclasses import dataclass
from typing import Literal

from sparsefront.common.rules import check_rules, not_below
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class FileReading:
    """How picture files and the names of their folders are read.

    Attributes:
        in_memory: decode all pictures once and hold N * C * H * W bytes on each process, or decode them as they are
            asked for.
        num_workers: processes that check and decode files; 0 does it in the main process.
        channels: 3 for RGB, 1 for gray; others are converted.
        check_files: whether to check, before training, the header of every file and whether files of two parts are
            equal.
        classes: where the folders are some of a trained network's classes, all of these in its order, so that labels
            are the network's outputs: "imagenet" for its 1,000 (folders named by WordNet number, e.g. n01440764, or by
            name, e.g. tench), the path of a text file with a class a line, or a list. None: the folders, sorted.

    Raises:
        ValueError: num_workers < 0.
    """

    in_memory: bool = False
    num_workers: int = 0
    channels: Literal[1, 3] = 3
    check_files: bool = True
    classes: str | list[str] | None = None

    def __post_init__(self) -> None:
        check_rules(not_below(0, "0 decodes in the main process", num_workers=self.num_workers))
