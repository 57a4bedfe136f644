"""The signs that the samples of one batch show."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.signs.sign import SIGNS, Sign


class SeenSigns:
    """Looks for signs on the samples of one batch, for each sign once a sample however often it is asked for.

    Args:
        batch: images (B, C, H, W) in [0, 1], their labels (B,) and their numbers (B,).
        known: what was seen on these samples before, as `column` gives it.
    """

    def __init__(self, batch: tuple[Tensor, Tensor, Tensor], known: Mapping[Sign, Tensor] | None = None) -> None:
        self._batch = batch
        self._columns = dict(known or {})

    def column(self, sign: Sign) -> Tensor:
        """(B,) floating: 1 of a sample that shows a sign, 0 of one that does not, NaN where nobody has looked."""
        images, labels, _ = self._batch
        numbers = torch.promote_types(images.dtype, torch.float32)
        return self._columns.get(sign, torch.full(labels.shape, torch.nan, dtype=numbers, device=labels.device))

    def showing(self, signs: Sequence[Sign], model: Model, chosen: Tensor) -> Tensor:
        """Bool (B,): of some samples those that show one of some signs; all of them if no sign is named.

        Args:
            signs: looked for in this order, each only on samples that show none before it.
            model: images -> logits (B, K), in which signs are looked for: as an adversary sees it who has no remedy.
            chosen: (B,) bool, the samples that are asked about.
        """
        left = chosen
        for sign in signs:
            left = left & ~self._shows(sign, model, left)
        return chosen & ~left if signs else chosen

    def _shows(self, sign: Sign, model: Model, chosen: Tensor) -> Tensor:
        column = self.column(sign)
        new = chosen & column.isnan()
        if new.any():
            column = column.clone()
            column[new] = SIGNS[sign](model, *(tensor[new] for tensor in self._batch)).to(column)
            self._columns[sign] = column
        return column == 1
