"""A second modality beside the image, as a setting of deep sparse coding."""

from collections.abc import Sequence
from dataclasses import dataclass

from sparsefront.common.rules import check_rules
from sparsefront.common.settings import checked_settings
from sparsefront.frontends.dsc.layer import DSCLayer


@checked_settings
@dataclass(frozen=True)
class SecondModality:
    """What deep sparse coding reads beside the image, such as a picture of the name, and the layers that read it.

    Attributes:
        shape: (C, H, W) of what a batch brings as `second`.
        layers: from the bottom up, below the top layer that both modalities share.

    Raises:
        ValueError: sizes below 1, or no layer.
    """

    shape: tuple[int, int, int]
    layers: Sequence[DSCLayer]

    def __post_init__(self) -> None:
        shape = tuple(self.shape)
        check_rules(
            [
                (min(shape) >= 1, f"`shape` of `second` must be three positive sizes (C, H, W), found {shape}."),
                (len(self.layers) > 0, "`layers` of `second` must name at least one layer of its own, found none."),
            ]
        )
