"""What the read-outs of codes have in common."""

from typing import ClassVar

from torch import Tensor, nn

from sparsefront.common.rules import at_least, check_rules
from sparsefront.common.settings import CheckedSettings


class CodeReader(CheckedSettings, nn.Module):
    """A classifier of a front end's codes (B, K, h, w), of which it reads the mean over the positions.

    Args:
        in_chans: K, the neurons of the front end's top layer.

    Attributes:
        reads_codes: that it reads codes, which a front end of images does not return.

    Raises:
        ValueError: `in_chans` below 1; at call, codes of another shape.
    """

    reads_codes: ClassVar[bool] = True

    def __init__(self, in_chans: int) -> None:
        super().__init__()
        check_rules(at_least(1, in_chans=in_chans))
        self.in_chans = in_chans

    def pool(self, codes: Tensor) -> Tensor:
        """(B, K, h, w) -> (B, K), the mean over the positions."""
        if codes.ndim != 4 or codes.shape[1] != self.in_chans:
            raise ValueError(
                f"`codes` must have shape (B, {self.in_chans}, h, w), found {tuple(codes.shape)}; "
                "give the classifier the front end's number of neurons as `in_chans`."
            )
        return codes.mean(dim=(2, 3))


def common_scale(in_chans: int) -> nn.Sequential:
    """Batch normalisation (B, K) -> (B, K) by one mean and one deviation that all K neurons share.

    It keeps what neurons are to each other; one of each neuron's own would make the most of what hardly ever fires.
    """
    # One channel, to which neurons are positions. Codes of 0.001 have a variance far below torch's usual `eps`.
    return nn.Sequential(nn.Unflatten(1, (1, in_chans)), nn.BatchNorm1d(1, eps=1e-12, affine=False), nn.Flatten())
