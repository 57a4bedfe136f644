"""Settings that follow from others."""

import re

_MENDS = {
    "model.num_classes": "; where folders are some of a trained network's classes, name these in `data.classes`, e.g. "
    "imagenet",
    "model.image_shape": "; `data.image_size` sets it",
}


def linked_setting(message: str) -> str | None:
    """What jsonargparse says of a setting that is given though it follows from another, with the mend.

    Args:
        message: jsonargparse's.

    Returns:
        One sentence, or None where the message is of something else.
    """
    found = re.search(r'Linked "([^"]+)" must be given via "([^"]+)"', message)
    if found is None:
        return None
    return f"`{found[1]}` must be left out, because it follows from `{found[2]}`{_MENDS.get(found[1], '')}."
