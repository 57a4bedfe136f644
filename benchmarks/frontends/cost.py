"""Time and memory of one front end on one size of image, measured in a process of its own."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from frontends import FrontEnd
from sparsefront.defended import Builder

ROUNDS = 3
LEARNING = 32  # images a learning step
PICTURES = ("astronaut", "coffee", "chelsea", "rocket")


def pictures(number: int, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    """Crops (N, C, H, W) in [0, 1] of photographs that come with scikit-image."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    whole = [torch.from_numpy(getattr(data, name)().copy()).permute(2, 0, 1)[None] / 255 for name in PICTURES]
    found = []
    for place in range(number):
        picture = whole[place % len(whole)]
        side = min(picture.shape[2:], default=1)
        side = int(torch.randint(side // 2, side, (), generator=generator))
        top, left = (int(torch.randint(0, extent - side, (), generator=generator)) for extent in picture.shape[2:])
        crop = picture[..., top : top + side, left : left + side]
        found.append(F.interpolate(crop, (height, width), mode="area").clamp(0, 1))
    images = torch.cat(found)
    return images if channels == 3 else images.mean(dim=1, keepdim=True)


def build(fragment: str, shape: tuple[int, int, int]) -> FrontEnd:
    """The front end of a YAML fragment, learned for two steps: enough for what it costs."""
    parser = ArgumentParser()
    parser.add_argument("--model.frontend", type=Builder)
    frontend: FrontEnd = parser.instantiate_classes(parser.parse_path(fragment)).model.frontend(shape)
    if not frontend.learned:
        frontend.n_learning_steps = 2
        images = torch.utils.data.TensorDataset(pictures(LEARNING, shape, seed=1))
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=-1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(frontend, torch.utils.data.DataLoader(images, LEARNING))
    return frontend.eval()


def memory(key: str) -> int:
    """Bytes of this process, `VmRSS` now or `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def measure(call: Callable[[], object]) -> dict[str, float]:
    """Seconds, the median of a few calls after the first, and the bytes that the first needed beyond what was there."""
    Path("/proc/self/clear_refs").write_text("5")  # forget the largest size so far
    before = memory("VmRSS")
    call()
    grown = memory("VmHWM") - before
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "bytes": float(max(grown, 0))}


def main() -> None:
    """Print the costs of `FRAGMENT C H W NUMBER` as JSON."""
    fragment, *sizes = sys.argv[1:]
    channels, height, width, number = map(int, sizes)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    frontend, images = build(fragment, (channels, height, width)), pictures(number, (channels, height, width))

    @torch.no_grad()
    def forward() -> Tensor:
        return frontend(images)

    def gradient() -> Tensor:
        point = images.clone().requires_grad_()
        return torch.autograd.grad(frontend.stand_in(frontend.default_backward)(point).sum(), point)[0]

    found = {"forward": measure(forward), "gradient": measure(gradient)}
    sys.stdout.write(json.dumps({"system": type(frontend).__name__, "mode": frontend.default_backward, **found}))


if __name__ == "__main__":
    main()
