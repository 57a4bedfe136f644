"""Part 4: images a second of STL and DSC, and AutoAttack on 1,000 images."""

import logging
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gpu import weights
from benchmarks.gpu.attacked import auto_attack, evaluate
from benchmarks.gpu.compared import with_gradient
from benchmarks.gpu.packed import packed_weights
from benchmarks.gpu.part import Entry, Part
from benchmarks.gpu.parts.solvers import front_end
from benchmarks.gpu.pictures import N_CLASSES, SIDE, test_pictures, training_pictures
from benchmarks.gpu.systems import systems
from benchmarks.gpu.timing import seconds_of
from benchmarks.gpu.trained import trained_model
from sparsefront import DefendedClassifier
from sparsefront.classifiers import ResNet32
from sparsefront.frontends import FrontEnd, Identity

FRONT_ENDS, TOY = ("stl_universal", "stl", "dsc"), ("stl_universal",)
BATCHES, TOY_BATCHES = (64, 256, 1024), (2,)


def run(part: Part) -> None:
    """Throughput by the size of the batch, then AutoAttack on every network that there are weights of."""
    warnings.simplefilter("ignore")  # nothing to validate by: it is meant here
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    toy = part.options.toy
    read = partial(training_pictures, part.options, max(BATCHES))
    images = cache(lambda: part.pictures("coded", read()).as_floats(torch.device("cpu")))
    for name in TOY if toy else FRONT_ENDS:
        frontend = cache(partial(_placed_front_end, part, name, images))
        for batch in TOY_BATCHES if toy else BATCHES:
            part.do(f"{name}, {batch} images", partial(_pace, part, frontend, images, batch))
    for name in ("pgd_at", "top_t", "natural"):
        if weights.is_trained(part.options.out, name):
            part.do(f"auto_attack on {name}", partial(_auto_attack, part, f"auto_attack on {name}", name, None))
    for name, path in packed_weights(part.options.packed).items():
        shown = f"auto_attack on packed {name}"
        part.do(shown, partial(_auto_attack, part, shown, name, path))


def _placed_front_end(part: Part, name: str, images: Callable[[], Tensor]) -> FrontEnd:
    return front_end(name, images()).to(part.device)


def _pace(part: Part, frontend: Callable[[], FrontEnd], images: Callable[[], Tensor], batch: int, entry: Entry) -> None:
    """Images a second, forward and with the gradient, and the memory that the device needs at most."""
    there = images()[:batch].to(part.device)
    calls = with_gradient(frontend(), frontend().stand_in(frontend().default_backward))
    for name, call in calls.items():
        if part.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        seconds = seconds_of(partial(call, there), part.device, rounds=3)
        entry[name] = {"images_per_second": float(f"{len(there) / seconds:.4g}")}
        if part.device.type == "cuda":
            entry[name]["peak_gigabytes"] = float(f"{torch.cuda.max_memory_allocated() / 1e9:.3g}")


def _auto_attack(part: Part, shown: str, name: str, path: Path | None, entry: Entry) -> None:
    """On a network trained by part 2, or on published weights of a `ResNet32`."""
    if path is None:
        model = trained_model(name, systems(part.options.toy)[name], part.device, part.options.out)
    else:
        classifier = partial(ResNet32, checkpoint_path=str(path))
        model = DefendedClassifier(classifier, Identity, image_shape=(3, SIDE, SIDE), num_classes=N_CLASSES)
        model.to(part.device).eval()
    pictures = part.pictures("attacked", test_pictures(part.options))
    evaluate(model, auto_attack(part.options.toy), pictures, entry, partial(part.keep, shown, entry))
