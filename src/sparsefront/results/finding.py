"""What was looked for as a sign of masked gradients."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparsefront.results.adversary_words import adversary_words

if TYPE_CHECKING:
    from sparsefront.attacks import View

# Share of samples, and number of them, up to which a sign may be chance.
CHANCE, FEW = 0.05, 2


@dataclass(frozen=True)
class Finding:
    """One sign, looked for.

    Attributes:
        flag: its name.
        adversary: whose gradients or rows it is about.
        raised: whether it is there.
        sentence: what was found, and what follows from it.
    """

    flag: str
    adversary: str
    raised: bool
    sentence: str


def tolerated(count: int) -> float:
    """How many of `count` samples may show a sign by chance."""
    return max(CHANCE * count, FEW)


def adversary_of(view: "View") -> str:
    """A white-box view in words, e.g. "white box, smooth, averaged"."""
    views = []
    while hasattr(view, "view"):  # one around another
        views.append(type(view).__name__)
        view = view.view
    return adversary_words("white_box", getattr(view, "backward", None), views)
