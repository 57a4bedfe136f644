"""Clean accuracy where no attack runs, over the samples that attacks are run on elsewhere."""

import pytorch_lightning as pl
from torch import Tensor

from sparsefront.common.processes import Processes
from sparsefront.evaluation.trainer_facts import among_first


class CleanCount:
    """Counts the right ones among the loader's first samples, so that one curve is over the same samples all along.

    Args:
        limit: how many samples; None for all.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._met = 0
        self._correct = 0
        self._counted = 0

    def add(self, predictions: Tensor, labels: Tensor, trainer: pl.Trainer) -> None:
        """Take what of a batch, predictions and labels (B,), is among the first."""
        kept = among_first(self.limit, self._met, len(labels), trainer)
        self._met += len(labels)
        self._correct += int((predictions[:kept] == labels[:kept]).sum())
        self._counted += kept

    def metrics(self) -> dict[str, float]:
        """`clean_acc` and how many samples it is over, over all processes; empty if there were none."""
        correct, counted = zip(*Processes().gathered((self._correct, self._counted)), strict=True)
        total = sum(counted)
        return {"clean_acc": sum(correct) / total, "clean_acc/n": float(total)} if total else {}
