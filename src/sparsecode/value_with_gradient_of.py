"""The value of one computation and the gradient of another."""

from torch import Tensor


def value_with_gradient_of(stand_in: Tensor, value: Tensor) -> Tensor:
    """Return `value`, exactly, whose gradient is the one of `stand_in`.

    What is added to the value is `stand_in - stand_in`, exactly 0 where it is finite, of which the graph keeps the
    first term (Athalye et al. 2018, backward pass differentiable approximation). A gradient that `value` has of its
    own adds to it: detach it where it must not.

    Args:
        stand_in: finite, of a shape that broadcasts to the value's, in its dtype.
        value: any shape.
    """
    return value + (stand_in - stand_in.detach())
