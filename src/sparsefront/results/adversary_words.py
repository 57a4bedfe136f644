"""What an adversary knows, in words."""

from collections.abc import Sequence

#: One line each on what an adversary of that kind knows.
KNOWLEDGE = {
    "white_box": "knows the classifier and the front end, and differentiates through both; where the front end has no "
    "useful derivative, its backward mode says what stands in for it.",
    "gray_box": "knows the classifier but not the front end; what it makes for the bare classifier then meets the "
    "whole defense.",
    "black_box": "sees the system's answers alone and asks for many; it differentiates nothing.",
    "control": "is no adversary: noise or filtering of the same size, which a robust system should hardly feel.",
    "transfer": "does not look into this system at all; what it makes for another model then meets the whole defense.",
}


#: How views around another one differentiate it, by their class's name.
WRAPPED = {"Neighbourhood": "averaged", "RescaledLogits": "rescaled", "OppositeGradient": "opposite"}


def adversary_words(knowledge: str, backward: str | None = None, views: Sequence[str] = ()) -> str:
    """Knowledge, and of a white box how it differentiates, e.g. "white box, smooth, averaged" or "gray box".

    Args:
        knowledge: a key of `KNOWLEDGE`.
        backward: the backward mode of the front end, if it is known.
        views: class names of the views around the one that knows so much, from without; those that `WRAPPED` has no
            word for are left out.
    """
    kind = knowledge.replace("_", " ")
    if knowledge != "white_box":
        return kind
    words = [WRAPPED.get(view) for view in reversed(views)]
    return ", ".join(word for word in (kind, backward, *words) if word)
