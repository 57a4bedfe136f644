"""`python -m benchmarks.mixed_search`: how many digits behind the demo's front end random searches leave standing."""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.record import processor
from sparsefront import DefendedClassifier
from sparsefront.attacks import APGD, Attack, MixedSearch, Square, WhiteBox
from sparsefront.common.atomic_file import write_atomically
from sparsefront.data import MNIST5k

RESULTS = Path(__file__).parent / "results" / "mixed_search.json"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mixed_search", description=__doc__)
    parser.add_argument("--ckpt_path", required=True, help="of the experiment mnist5k_top_t")
    parser.add_argument("--searches", nargs="+", default=["square", "mixed"], choices=["square", "mixed"])
    parser.add_argument("--norm", default="Linf")
    parser.add_argument("--eps", type=float, default=0.1)
    parser.add_argument("--number", type=int, default=100, help="test digits, the first ones")
    parser.add_argument("--n_queries", type=int, default=2000, help="of a walk")
    parser.add_argument("--n_walks", type=int, default=1)
    parser.add_argument("--growth", type=int, default=1, help="of `mixed`: each walk has so many times as many")
    parser.add_argument("--from_apgd", action="store_true", help="begin the first walk of `mixed` where APGD ends")
    parser.add_argument("--whole", action="store_true", help="compute whole images anew where only a few pixels change")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def digits(number: int) -> tuple[Tensor, Tensor]:
    """The first test digits (B, 1, 28, 28) and their labels (B,)."""
    data = MNIST5k(batch_size=number)
    data.prepare_data()
    data.setup("test")
    loader: Any = data.test_dataloader()
    images, labels, *_ = next(iter(loader))
    return images, labels


def search_of(name: str, options: argparse.Namespace) -> Attack:
    """The search of that name, with as many queries as the other one."""
    settings = {name: getattr(options, name) for name in ("norm", "eps", "n_queries", "seed")}
    if name == "square":
        return Square(**settings, n_restarts=options.n_walks)
    return MixedSearch(**settings, n_walks=options.n_walks, growth=options.growth)


def held(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Search on the digits that the model gets right; the verdict is a forward of the model itself."""
    model = DefendedClassifier.load_from_checkpoint(options.ckpt_path, map_location="cpu").eval().requires_grad_(False)
    images, labels = digits(options.number)
    indices = torch.arange(len(images))
    right = model(images).argmax(dim=1) == labels
    images, labels, indices = images[right], labels[right], indices[right]
    search, logits, began = search_of(name, options), WhiteBox()(model), time.process_time()
    if options.whole:
        logits = partial(logits)  # without what it knows of changed pixels
    starts = None
    if options.from_apgd:
        starts = APGD(norm=options.norm, eps=options.eps, loss="cw")(logits, images, labels, indices)
    adversarial = search(logits, images, labels, indices, starts)
    seconds = time.process_time() - began
    standing = model(adversarial).argmax(dim=1) == labels
    return {
        "search": repr(search) + " from APGD" * options.from_apgd + ", whole images" * options.whole,
        "digits": len(images),
        "standing": int(standing.sum()),
        "standing_indices": indices[standing].tolist(),
        "processor_seconds": round(seconds, 1),
        "command": shlex.join(["python", "-m", "benchmarks.mixed_search", *sys.argv[1:]]),
        "machine": f"{platform.system()} {platform.machine()}, {processor()}, {options.threads} threads",
        "load_average": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("torch", "sparsefront")},
    }


def main() -> None:
    """Search, print and keep the results beside those of other searches."""
    options = parse()
    torch.set_num_threads(options.threads)
    for name in options.searches:
        result = held(name, options)
        print(f"{result['search']}: {result['standing']} of {result['digits']}, {result['processor_seconds']} s")
        kept = json.loads(RESULTS.read_text())["searches"] if RESULTS.exists() else []
        kept = [entry for entry in kept if entry["search"] != result["search"] or entry["digits"] != result["digits"]]
        write_atomically(RESULTS, json.dumps({"searches": [*kept, result]}, indent=1))


if __name__ == "__main__":
    main()
