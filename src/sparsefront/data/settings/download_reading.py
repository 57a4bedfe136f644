"""How a set that torchvision downloads is read, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import check_rules, not_below
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class DownloadReading:
    """How a set that torchvision downloads is read.

    Attributes:
        in_memory: resize the whole set once and hold it, or resize each batch when it is asked for.
        num_workers: processes that load batches; 0 loads in the main process, which is fastest in memory.
        download: whether torchvision may download what is missing into `root`.

    Raises:
        ValueError: num_workers < 0.
    """

    in_memory: bool = True
    num_workers: int = 0
    download: bool = True

    def __post_init__(self) -> None:
        check_rules(not_below(0, "0 loads in the main process", num_workers=self.num_workers))
