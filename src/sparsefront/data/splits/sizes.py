"""Sizes of parts and of images."""

from sparsefront.common.rules import check_rules, not_below


def image_count(size: int | float, total: int) -> int:
    """Number of images that the size of a part stands for.

    Args:
        size: an integer counts images, a float is a fraction of `total`.
        total: images in the set that the part is cut from.

    Returns:
        The rounded count.
    """
    return round(size * total) if isinstance(size, float) else size


def served_shape(stored: tuple[int, int, int], image_size: int | None) -> tuple[int, int, int]:
    """Shape of the images that are served.

    Args:
        stored: (C, H, W) of the set.
        image_size: side of the square to serve in pixels; None keeps the stored size.

    Returns:
        (C, H, W).

    Raises:
        ValueError: image_size < 1.
    """
    if image_size is None:
        return stored
    check_rules(not_below(1, "write e.g. image_size: 32, or null for the stored size", image_size=image_size))
    return stored[0], image_size, image_size
