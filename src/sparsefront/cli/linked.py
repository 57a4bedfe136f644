"""Settings that follow from others."""

import re

_MENDS = {
    "model.num_classes": "; where folders are some of a trained network's classes, name these in "
    "`data.reading.classes`, e.g. imagenet",
    "model.image_shape": "; `data.image_size` sets it",
    "trainer.default_root_dir": "; name the folder there",
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
        found = re.search(r"argument (?P<source>\S+) --> (?P<target>\S+): invalid .*?: (?P<value>.*)", message)
        return _follows(found["target"], found["source"], f", found {found['value']}") if found else None
    return _follows(found[1], found[2])


def _follows(target: str, source: str, value: str = "") -> str:
    return f"`{target}` must be left out, because it follows from `{source}`{value}{_MENDS.get(target, '')}."
