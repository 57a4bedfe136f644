"""A threshold on one neuron."""

import torch
from torch import Tensor

from sparsefront.classifiers.read_out import ReadOut


class NeuronThreshold(ReadOut):
    """A threshold on one neuron of a front end's codes, such as paper 003's N-326 (section 4.1).

    (B, C, h, w) -> logits (B, 2) = (-d/2, d/2) with d = +-(a - threshold) / s, a the neuron's mean over the positions
    and s its deviation over the training images. The threshold, and the side of it that is class 1, have the best
    balanced accuracy on the training codes, and lie midway between the two activations that they part. `linear` has
    one column that is not zero.

    Args:
        in_chans: C.
        num_classes: 2.
        neuron: which one, from 0; null: the one with the best balanced accuracy, the first of equals.

    Raises:
        ValueError: other than two classes, or no such neuron; while learning, a `neuron` that is the same for all
            images, and what `ReadOut` refuses.
    """

    def __init__(self, in_chans: int, num_classes: int, neuron: int | None = None) -> None:
        super().__init__(in_chans, num_classes)
        if num_classes != 2:
            raise ValueError(
                f"`num_classes` must be 2, which one threshold can tell apart, found {num_classes}; take LinearSVM."
            )
        if neuron is not None and not 0 <= neuron < in_chans:
            raise ValueError(f"`neuron` must be null or from 0 to {in_chans - 1}, found {neuron}.")
        self.neuron = neuron

    @property
    def chosen(self) -> int:
        """The neuron that is read, once it has learned."""
        return int(self.linear.weight[1].abs().argmax())

    def solve(self, codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One column of weights, and the biases."""
        neurons = torch.arange(self.in_chans) if self.neuron is None else torch.tensor([self.neuron])
        values, thresholds, sides = _best_cuts(codes[:, neurons], labels == 1)
        best = int(values.argmax())
        if values[best] < 0:
            raise ValueError(
                f"`neuron` must be one that differs from image to image, found {self.neuron}, which is "
                f"{codes[0, neurons[best]].item():g} for all of {len(codes)}; write null to look for the best."
            )
        neuron, side = neurons[best], sides[best] / 2
        deviation = codes[:, neuron].std(correction=0)
        weight = torch.zeros(2, self.in_chans, dtype=codes.dtype)
        weight[:, neuron] = torch.stack([-side, side]) / deviation
        return weight, -weight[:, neuron] * thresholds[best]


def _best_cuts(codes: Tensor, positive: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best threshold of each neuron: |TPR - FPR|, the threshold, and 1 where positives lie above it, else -1.

    The balanced accuracy is (1 + |TPR - FPR|) / 2. Neurons that do not vary have -1.
    """
    ordered, order = codes.sort(dim=0)
    # The share of each class at or below every activation.
    below = [chosen[order].cumsum(dim=0) / chosen.sum() for chosen in (positive.double(), (~positive).double())]
    advantage = (below[1] - below[0])[:-1]  # of "positive above" over chance, for a cut behind each but the last
    parts = ordered[1:] > ordered[:-1]  # a cut between equals is none
    values, cut = advantage.abs().masked_fill(~parts, -1).max(dim=0, keepdim=True)
    middle = (ordered[1:] + ordered[:-1]) / 2
    sides = torch.where(advantage.gather(0, cut) < 0, -1.0, 1.0).to(codes)
    return values[0], middle.gather(0, cut)[0], sides[0]
