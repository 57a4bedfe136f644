"""Time and memory of one front end on one size of image, measured in a process of its own."""

import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from benchmarks.frontends.built import built
from benchmarks.frontends.growth import growth

ROUNDS = 3
PATIENCE = 10.0  # seconds, after which no further round begins
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


def seconds(call: Callable[[Tensor], object], images: Tensor) -> float:
    """The median of a few calls, after one on a single image."""
    call(images[:1])
    found: list[float] = []
    while len(found) < ROUNDS and sum(found) < PATIENCE:
        start = time.perf_counter()
        call(images)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def main() -> None:
    """Print the costs of `FRAGMENT C H W NUMBER` as JSON."""
    fragment, *sizes = sys.argv[1:]
    channels, height, width, number = map(int, sizes)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = channels, height, width
    frontend, images = built(fragment, shape, lambda wanted: pictures(wanted, shape, seed=1)), pictures(number, shape)

    @torch.no_grad()
    def forward(batch: Tensor) -> Tensor:
        filtered: Tensor = frontend(batch)
        return filtered

    def gradient(batch: Tensor) -> Tensor:
        point = batch.clone().requires_grad_()
        return torch.autograd.grad(frontend.stand_in(frontend.default_backward)(point).sum(), point)[0]

    calls = {"forward": forward, "gradient": gradient}
    times = {name: seconds(call, images) for name, call in calls.items()}
    found = {name: {"seconds": times[name], "bytes": growth(call, images)} for name, call in calls.items()}
    sys.stdout.write(json.dumps({"system": type(frontend).__name__, "mode": frontend.default_backward, **found}))


if __name__ == "__main__":
    main()
