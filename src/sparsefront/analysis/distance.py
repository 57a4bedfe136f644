"""How far a change of images moves their representation."""

from typing import Literal

from torch import Tensor

Difference = Literal["absolute", "rms"]
Deviation = Literal["over_images", "over_neurons"]


def representation_distance(
    original: Tensor, variant: Tensor, difference: Difference = "absolute", deviation: Deviation = "over_images"
) -> float:
    """Distance of representations in units of their own spread (paper 003, section 4.3, Table 1).

    "The average difference between the neuron activations over the average standard deviation of the neuron
    activations":

        delta = mean_ij |h_j(x'_i) - h_j(x_i)| / mean_j std_i h_j(x_i)        (the defaults)

    over images i and neurons j; standard deviations are those of the originals, about their mean, divided by their
    number. The paper leaves two things open. Which difference: `absolute`, because it says "average difference" and
    speaks of no square, or `rms`, sqrt(mean_ij (...)^2). Which deviation: `over_images`, of each neuron, averaged over
    neurons, so that 1 is about as far as two different images are apart and a constant that a neuron always has counts
    for nothing; or `over_neurons`, of each image, averaged over images.

    Args:
        original: (N, n) representations of images.
        variant: (N, n) of what became of them.
        difference: `absolute` or `rms`.
        deviation: `over_images` or `over_neurons`.

    Returns:
        delta >= 0; not a number, or infinite, where the originals do not deviate at all.
    """
    change = (variant - original).double()
    moved = change.abs().mean() if difference == "absolute" else change.square().mean().sqrt()
    spread = original.double().std(dim=0 if deviation == "over_images" else 1, correction=0).mean()
    return (moved / spread).item()
