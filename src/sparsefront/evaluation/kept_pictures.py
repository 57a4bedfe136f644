"""Which pictures an evaluation keeps, as settings."""

from dataclasses import dataclass

from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class KeptPictures:
    """Which pictures `RobustEvaluation` keeps beside its rows.

    Attributes:
        n_images: pictures kept for the report and W&B.
        save_images: keep every adversarial image in `results/<stage>_adversarial/<attack>`, for `attacks.SavedImages`.

    Raises:
        ValueError: n_images < 0.
    """

    n_images: int = 8
    save_images: bool = False

    def __post_init__(self) -> None:
        if self.n_images < 0:
            raise ValueError(f"`n_images` must be at least 0, found {self.n_images}; write 0 for no pictures.")
