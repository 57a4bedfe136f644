"""What is cut out of a face's picture, and what is written beside it."""

from dataclasses import dataclass

from sparsefront.common.rules import check_rules, not_below
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class PictureSettings:
    """What is served of each picture, and of its person's name.

    Args:
        crop: side in pixels of the middle square that is cut out of each picture before it is resized, e.g. 100 where
            faces fill that much of 250 pixels, as in LFW; None takes the whole middle square.
        names: whether training batches bring a picture of the name.
        font: a .ttf file to write names with, e.g. paper 003's Arial; None for the one that comes with Pillow.

    Raises:
        ValueError: crop < 1.
    """

    crop: int | None = None
    names: bool = True
    font: str | None = None

    def __post_init__(self) -> None:
        if self.crop is not None:
            mend = "write e.g. crop: 100, or null for the whole middle square"
            check_rules(not_below(1, mend, crop=self.crop))
