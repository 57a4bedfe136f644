"""What parts and batches must be for a defended classifier."""

from torch import Tensor, nn

from sparsefront.frontends import FrontEnd


def check_num_classes(num_classes: int) -> None:
    """Raise a ValueError for fewer than two classes."""
    if num_classes < 2:
        raise ValueError(
            f"`num_classes` must be at least 2, found {num_classes}: whatever is shown, a model of one class is"
            " right and robust; add data of another class, or name a trained network's in `data.reading.classes`."
        )


def check_codes(classifier: nn.Module, frontend: FrontEnd) -> None:
    """Raise a ValueError if a classifier that declares `reads_codes` is put behind a front end that returns images."""
    if getattr(classifier, "reads_codes", False) and frontend.returns_images:
        raise ValueError(
            f"`classifier` {type(classifier).__name__} reads codes, found {type(frontend).__name__} before it, which "
            "returns images; let it return its codes (`output: code` of DSC), or take a classifier of images."
        )


def check_labels(labels: Tensor, num_classes: int) -> None:
    """Raise a ValueError if one of the labels (B,) is no class."""
    if not len(labels):
        return
    low, high = labels.aminmax()
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"`label` must lie in [0, {num_classes}), the classes, found [{low.item()}, {high.item()}]; "
            "number the data's classes from 0, and check `num_classes`."
        )


def check_learned(frontend: FrontEnd) -> None:
    """Raise a RuntimeError if a front end has not learned its dictionary before a classifier is trained behind it."""
    if not frontend.learned:
        raise RuntimeError(
            f"{type(frontend).__name__} has not learned yet: call "
            "sparsefront.learn_front_end(model, data, trainer) first, or use `sparsefront fit`, which does it."
        )
