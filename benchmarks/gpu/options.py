"""What `run_all` and its parts are called with."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PARTS = ("tests", "cifar10", "solvers", "throughput")
StepKind = Literal["graph", "compiled", "plain"]


@dataclass(frozen=True)
class Options:
    """The settings of one call.

    Attributes:
        until: the time on the clock (`time.time`) at which whatever runs is stopped.
        out: folder of the results.
        device: cuda or cpu.
        toy: tiny sizes, which try the way and measure nothing.
        parts: to do, in their order of worth.
        image_folder: a {train,test}/CLASS/ tree of 32x32 pictures, or None.
        lossless: such a tree whose test images are attacked in the place of those of `image_folder`, or None.
        packed: a folder that `pack` filled, or None.
        step: how a training step is run on a GPU.
    """

    until: float
    out: Path
    device: str
    toy: bool
    parts: tuple[str, ...]
    image_folder: Path | None
    lossless: Path | None
    packed: Path | None
    step: StepKind

    @classmethod
    def parsed(cls, arguments: list[str], description: str | None) -> "Options":
        """Of a command line."""
        parser = argparse.ArgumentParser(prog="python benchmarks/gpu/run_all.py", description=description)
        parser.add_argument("--seconds", type=float, default=540, help="after which whatever runs is stopped")
        parser.add_argument("--until", type=float, help=argparse.SUPPRESS)  # of a part, whose start takes seconds
        parser.add_argument("--out", type=Path, required=True, help="folder of the results, from which a call goes on")
        parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
        parser.add_argument("--toy", action="store_true", help="tiny sizes, which try the way and measure nothing")
        parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
        parser.add_argument("--image_folder", type=Path, help="a {train,test}/CLASS/ tree of 32x32 pictures")
        parser.add_argument("--lossless", type=Path, help="such a tree whose test images are attacked instead")
        parser.add_argument("--packed", type=Path, help="a folder that pack.py filled: packages and pictures")
        parser.add_argument("--step", default="graph", choices=["graph", "compiled", "plain"], help="of training")
        found = vars(parser.parse_args(arguments))
        seconds = found.pop("seconds")
        found["until"] = time.time() + seconds if found["until"] is None else found["until"]
        found["parts"] = tuple(name for name in PARTS if name in found["parts"])
        return cls(**found)
