"""Asking about points that differ little from the best ones so far."""

from typing import Any

import torch
from torch import Tensor

from sparsefront.attacks.parts.model import Model
from sparsefront.attacks.parts.queries import mean_logits


class Nearby:
    """A model's logits of points near kept ones: sooner, where the model follows changes (`LocalLogits`).

    Args:
        model: images (S, C, H, W) -> logits (S, K).
        points: (B, C, H, W), kept at first.
        eot_iter: passes through a randomised model that are averaged into one answer.
        local: whether the points asked about differ in few pixels; elsewhere to follow a change is a detour.
    """

    def __init__(self, model: Model, points: Tensor, eot_iter: int, local: bool) -> None:
        self._model, self._eot_iter = model, eot_iter
        nearby: Any = getattr(model, "nearby", None)
        same_precision = getattr(model, "dtype", points.dtype) == points.dtype
        self._answers = nearby(points) if nearby and local and same_precision and eot_iter == 1 else None

    @property
    def compiled(self) -> Any:
        """What searches by compiled code (`ChangedAnswers`), where the whole model can be followed; None elsewhere."""
        return self._answers if self._answers is not None and self._answers.ends_in_logits else None

    def ask(self, rows: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (S, K) of points (S, C, H, W) in the place of the kept ones of some samples; `settle` comes next.

        Where the second, bool (S,), says so, changes were followed, and logits may differ from the model's own by what
        rounding gathers: take no verdict from these.
        """
        if self._answers is None:
            return self.ask_whole(points), torch.zeros_like(rows, dtype=torch.bool)
        return self._answers.ask(rows, points), self._answers.followed

    def ask_whole(self, points: Tensor) -> Tensor:
        """The model's own logits (S, K) of points (S, C, H, W)."""
        return mean_logits(self._model, points, self._eot_iter)

    def settle(self, taken: Tensor) -> None:
        """Keep the points asked about last of some of these samples, bool (S,)."""
        if self._answers is not None:
            self._answers.settle(taken)
