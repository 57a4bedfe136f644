"""How images that lie in memory are read, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import check_rules, not_below
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class ArrayReading:
    """How images that lie in memory are read.

    Attributes:
        num_workers: processes that load batches; 0 loads in the main process, which is fastest here.

    Raises:
        ValueError: num_workers < 0.
    """

    num_workers: int = 0

    def __post_init__(self) -> None:
        check_rules(not_below(0, "0 loads in the main process", num_workers=self.num_workers))
