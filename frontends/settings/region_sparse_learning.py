"""How `RegionSparse` learns its dictionary, as settings."""

from dataclasses import dataclass

from sparsefront.common.pixel_size import PixelSize
from sparsefront.common.rules import at_least, check_rules, positive
from sparsefront.common.settings import checked_settings


@checked_settings
@dataclass(frozen=True)
class RegionSparseLearning:
    """How `RegionSparse` learns its dictionary without labels (paper 004, section IV-B).

    Attributes:
        smoothing: whether images are smoothed by non-local means before their patches are learned from (equation 16).
        h: degree of filtering of the smoothing, in [0, 1] pixel units, as in `NonLocalMeans` (scikit-image's default);
            `8/255` is read. Counts with `smoothing`.
        lmbda: learn with the LASSO of this weight, as Mairal et al. 2009; null: with the OMP that codes.
        patches_per_image: n patches drawn of an image (ours).
        n_iterations: batches of images to learn from (ours).
        seed: of the draws, also of `dictionary: random`.

    Raises:
        ValueError: a number out of its range.
    """

    smoothing: bool = True
    h: PixelSize = 0.1
    lmbda: float | None = None
    patches_per_image: int = 50
    n_iterations: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        rules = [
            *positive("write it in [0, 1] pixel units", h=float(self.h)),
            *(positive("write null for OMP", lmbda=self.lmbda) if self.lmbda is not None else ()),
            *at_least(1, patches_per_image=self.patches_per_image, n_iterations=self.n_iterations),
        ]
        check_rules(rules)

    @property
    def smoothing_h(self) -> float | None:
        """Degree of filtering, None where images stay as they are."""
        return float(self.h) if self.smoothing else None
