"""Whether a front end may run once over the training images."""

from sparsefront.data import ImageData
from sparsefront.model.defended import DefendedClassifier


def check_cacheable(model: DefendedClassifier, data: ImageData, codes_allowed: bool) -> None:
    """Refuse to train on T(x) that was computed once, where that is not the same as to compute it in every epoch.

    Args:
        model: T is its front end.
        data: gives the training images x.
        codes_allowed: whether what is kept may be something else than pixels.

    Raises:
        ValueError: T draws at random, makes copies or is trained; an objective that needs x; data that repeats images;
            codes where they are augmented or not allowed.
    """
    if data.repeats:
        raise ValueError(
            f"`frontend_cache.folder` needs data that serves each image once, found {type(data).__name__}, which "
            "repeats some; write `data.people.positive_share: null` and `model.class_weights`, or no folder."
        )
    if not model.objective.takes_projections:
        raise ValueError(
            "`frontend_cache.folder` needs an objective that trains on what the front end returns, found "
            f"{type(model.objective).__name__}, which needs the images; write null to run it in every epoch."
        )
    frontend = model.frontend
    trained = [name for name, parameter in frontend.named_parameters() if parameter.requires_grad]
    codes = not frontend.returns_images
    once = "a front end that returns"
    rules = [
        (frontend.randomised, f"{once} the same in every call", "draws anew in each"),
        (frontend.n_copies != 1, f"{once} one result an image", f"returns {frontend.n_copies}"),
        (
            bool(trained),
            "a frozen front end",
            f"leaves {len(trained)} tensors to train, {', '.join(trained[:1])} first",
        ),
        (
            codes and data.augment != "none",
            f"{once} images where `data.augment` is {data.augment}",
            "returns codes",
        ),
        (codes and not codes_allowed, f"{once} images where `frontend_cache.dtype` is uint8", "returns codes"),
    ]
    for broken, needed, found in rules:
        if broken:
            raise ValueError(
                f"`frontend_cache.folder` needs {needed}, found {type(frontend).__name__}, which {found}; write "
                "null to run it in every epoch."
            )
