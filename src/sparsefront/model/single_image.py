"""Batch normalisation's refusal of a batch of one image, with the setting that mends it."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def explained(number: int) -> Iterator[None]:
    """Name the mend where batch normalisation refuses to train on one image.

    Args:
        number: images in the batch.

    Raises:
        ValueError: the batch has one image, and torch wants more values a channel.
    """
    try:
        yield
    except ValueError as error:
        if number != 1 or "more than 1 value per channel" not in str(error):
            raise
        raise ValueError(
            "`data.batch_size` must give more than one image to each batch and process where a classifier has batch "
            "normalisation, found a training batch of one; write e.g. data.batch_size: 64, or use fewer devices."
        ) from error
