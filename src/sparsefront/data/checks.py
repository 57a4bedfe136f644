"""Checks of the settings that every data module shares."""


def check_count(name: str, value: int, least: int, mend: str) -> None:
    """Refuse a count below its least value.

    Args:
        name: the setting's name.
        value: what was given.
        least: the smallest allowed value.
        mend: what to do about it.

    Raises:
        ValueError: `value` is below `least`.
    """
    if value < least:
        raise ValueError(f"`{name}` must be >= {least}, found {value}; {mend}.")


def check_share(name: str, value: int | float) -> None:
    """Refuse a part's size that is neither a count nor a fraction.

    Args:
        name: the setting's name.
        value: an integer counts images, a float is a fraction of them.

    Raises:
        ValueError: a negative count, or a fraction outside [0, 1].
    """
    if value < 0 or (isinstance(value, float) and not value <= 1):
        raise ValueError(
            f"`{name}` must be a count >= 0 or a fraction in [0, 1], found {value};"
            " write an integer for a number of images, e.g. 500, or a float for a fraction, e.g. 0.1."
        )


def share_count(value: int | float, total: int) -> int:
    """Number of images that a size stands for.

    Args:
        value: an integer counts images, a float is a fraction of `total`.
        total: images in the set that the part is cut from.

    Returns:
        The rounded count.
    """
    return round(value * total) if isinstance(value, float) else value


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
    check_count("image_size", image_size, 1, "write e.g. image_size: 32, or null for the stored size")
    return stored[0], image_size, image_size
