"""What a dotted name stands for among the modules that are imported."""

import sys
from typing import Any


def imported(name: str) -> Any:
    """What goes by a dotted name among imported modules, else None; a module that imports on access is not asked."""
    words = name.split(".")
    for length in range(len(words) - 1, 0, -1):
        module = sys.modules.get(".".join(words[:length]))
        if module is not None:
            found: Any = module
            for word in words[length:]:
                found = vars(found).get(word) if hasattr(found, "__dict__") else None
            return found
    return None
