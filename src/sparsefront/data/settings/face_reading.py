"""How pictures of faces are read, and what is written beside them, as settings."""

from dataclasses import dataclass

from sparsefront.common.rules import check_rules, not_below
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class FaceReading:
    """How pictures of faces are read, and whether their people's names come beside them.

    Attributes:
        num_workers: processes that check and decode files; 0 does it in the main process. All pictures are decoded
            once and held, N * 3 * `image_size`^2 bytes on each process.
        crop: side in pixels of the middle square that is cut out of each picture before it is resized, e.g. 100 where
            faces fill that much of 250 pixels, as in LFW; None takes the whole middle square.
        names: whether training batches bring a picture of the name.
        font: a .ttf file to write names with, e.g. paper 003's Arial; None for the one that comes with Pillow.

    Raises:
        ValueError: num_workers < 0, crop < 1.
    """

    num_workers: int = 0
    crop: int | None = None
    names: bool = True
    font: str | None = None

    def __post_init__(self) -> None:
        check_rules(not_below(0, "0 decodes in the main process", num_workers=self.num_workers))
        if self.crop is not None:
            mend = "write e.g. crop: 100, or null for the whole middle square"
            check_rules(not_below(1, mend, crop=self.crop))
