"""The samples of a batch that an attack still works on."""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor


@dataclass
class Walk:
    """S samples of a batch on their way, and what their next steps depend on.

    A concrete walk adds fields with one entry a sample: tensors (S, ...), or objects that a mask (S,) takes apart as it
    does a tensor. A sample that is done is written into the batch's results by `put` and left out by `drop`.

    Args:
        rows: (S,) int64, the samples' places in the batch.
    """

    rows: Tensor

    def __len__(self) -> int:
        """How many samples are still on their way."""
        return len(self.rows)

    def drop(self, done: Tensor) -> Self:
        """Leave samples out from now on, by a mask (S,); the walk itself is returned."""
        if done.any():
            for field in fields(self):
                setattr(self, field.name, getattr(self, field.name)[~done])
        return self

    def put(self, results: Tensor, values: Tensor, chosen: Tensor | None = None) -> None:
        """Write values (S, ...), or those that a mask (S,) chooses, into the results (B, ...) of the batch."""
        if chosen is None:
            results[self.rows] = values
        else:
            results[self.rows[chosen]] = values[chosen]


def all_rows(images: Tensor) -> Tensor:
    """The places (B,) of all samples of a batch (B, ...)."""
    return torch.arange(len(images), device=images.device)
