"""How `RegionSparse` codes a patch, as settings."""

from dataclasses import dataclass
from typing import get_args

from sparsefront.common.rules import check_rules, from_0_to_1, one_of
from sparsefront.common.settings import checked_settings
from sparsefront.frontends.parts.benign_patches import Normalise


@checked_settings
@dataclass(frozen=True)
class RegionSparseCodes:
    """How `RegionSparse` codes the patches of the object region (paper 004, section IV).

    Attributes:
        n_nonzero_coefs: K, sparsity: atoms in a patch (ours).
        normalise: `zscore`, `patch_mean` (a patch's own mean is taken off) or `none`, in learning and in coding.
        theta: weight of the sparse code in the object region, in [0, 1]; the filtered image has the rest.

    Raises:
        ValueError: a setting out of range; the message names it.
    """

    n_nonzero_coefs: int = 10
    normalise: Normalise = "zscore"
    theta: float = 1.0

    def __post_init__(self) -> None:
        check_rules([*one_of(get_args(Normalise), normalise=self.normalise), *from_0_to_1(theta=self.theta)])
