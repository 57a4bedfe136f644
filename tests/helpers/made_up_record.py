"""A record of representations whose numbers can be counted by hand."""

import numpy as np

from sparsefront.results.attack_record import AttackRecord
from sparsefront.results.representation_record import RepresentationRecord

EVIL = "<script>$a_1$</script>"
VARIANTS = {"adversarial": [1, 1, 1, 1, 0, 0, 0, 0], "low_pass": [1, 1, 0, 0, 1, 1, 0, 1]}


def a_record(n=64, distance=0.25, variants=VARIANTS, **changes):
    rng = np.random.default_rng(0)
    label = np.array([0, 1, 0, 1, 0, 1, 0, 1])
    arrays = {"index": np.arange(8), "label": label, "weight": rng.standard_normal(n)}
    predictions = {"original": [1, 1, 0, 1, 0, 1, 0, 1], **variants}
    for name, prediction in predictions.items():
        arrays |= {f"pred/{name}": np.array(prediction), f"hidden/{name}": rng.random((8, n))}
    arrays |= {"training/images": np.array([3.0, 4.0])}
    arrays |= {f"training/{part}": rng.random((2, n)) for part in ("mean", "deviation")}
    pictures = {"clean": rng.random((2, 1, 6, 6)), "label": label[:2], "clean_pred": label[:2]}
    for name in variants:
        pictures |= {f"adv/{name}": rng.random((2, 1, 6, 6)), f"pred/{name}": label[:2]}
    about = {
        "variants": [
            AttackRecord(name, "control", "GaussianBlurControl", {}, "WhiteBox", {"backward": "smooth"}).written()
            for name in variants
        ],
        "class_names": [EVIL, "Halle_Berry"], "positive": 1, "neuron": int(arrays["weight"].argmax()), "n_samples": 8,
        "difference": "absolute", "deviation": "over_images", "distance": dict.fromkeys(variants, distance),
    }  # fmt: skip
    return RepresentationRecord(about | changes, arrays | {f"picture/{key}": value for key, value in pictures.items()})
