"""Fill a folder with what `run_all` needs where there is no network: packages, pictures, weights."""

import argparse
import io
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]  # a checkout will do; nothing need be installed

from benchmarks.gpu.packed import PICTURES, WEIGHTS, WHEELS  # noqa: E402  found by the line above
from benchmarks.gpu.pictures import files_in_turn  # noqa: E402
from benchmarks.gpu.where_from import commit  # noqa: E402

MOST = 60 * 2**20  # bytes in all
PYTHON = "3.12"
# Beyond torch, torchvision, pytorch-lightning, timm, torchmetrics, scikit-learn, numba, scipy, Pillow, matplotlib,
# rich, tqdm, jinja2, safetensors, pytest and what they need. Without kornia, which only data modules draw crops with.
OURS = ("jsonargparse", "hypothesis")  # in the versions that pyproject.toml allows
THEIRS = ("docstring-parser", "typeshed-client", "importlib-resources", "sortedcontainers")


def main() -> None:
    """Pack, print the sizes, and fail where they are too large together."""
    parser = argparse.ArgumentParser(prog="python benchmarks/gpu/pack.py", description=__doc__)
    parser.add_argument("folder", type=Path, help="to be filled; what an earlier call packed there is replaced")
    parser.add_argument("--image_folder", type=Path, required=True, help="a {train,test}/CLASS/ tree of 32x32 pictures")
    parser.add_argument("--lossless", type=Path, help="such a tree whose test pictures are attacked instead")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help=".safetensors files of a ResNet32")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    pack_wheels(options.folder / WHEELS)
    pack_pictures(options.image_folder / "train", options.folder / PICTURES["train"])
    pack_pictures((options.lossless or options.image_folder) / "test", options.folder / PICTURES["test"])
    shutil.rmtree(options.folder / WEIGHTS, ignore_errors=True)
    for path in options.weights:
        (options.folder / WEIGHTS).mkdir(exist_ok=True)
        shutil.copyfile(path, options.folder / WEIGHTS / path.name)
    (options.folder / "commit.txt").write_text(f"{commit(None)}\n")
    print(weighed(options.folder))


def pack_wheels(folder: Path) -> None:
    """Download the packages, pure ones alone: these need no installation, and run on any machine.

    Raises:
        subprocess.CalledProcessError: one of them has no pure wheel, or cannot be reached.
    """
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(
        [
            sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--platform", "any",
            "--python-version", PYTHON, "--dest", str(folder), *requirements(), *THEIRS,
        ],
        check=True,
    )  # fmt: skip


def requirements() -> list[str]:
    """Those of `OURS` with the bounds of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [one.replace("[signatures]", "") for name in OURS for one in listed if one.startswith(name)]


def pack_pictures(tree: Path, archive: Path) -> None:
    """Put the files of a CLASS/ tree into an archive, as they are, class by class in turn."""
    with tarfile.open(archive, "w:xz") as packed:
        for path in files_in_turn(tree):
            member = tarfile.TarInfo(f"{path.parent.name}/{path.name}")
            content = path.read_bytes()
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))


def weighed(folder: Path, most: int = MOST) -> str:
    """The sizes of what lies in a folder, a line each.

    Raises:
        SystemExit: more bytes than `most` together.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [_line(path.stat().st_size, str(path.relative_to(folder))) for path in files]
    total = sum(path.stat().st_size for path in files)
    table = "\n".join([*lines, _line(total, "in all")])
    if total > most:
        raise SystemExit(f"{table}\npack: {folder} must hold at most {most / 2**20:.0f} MiB.")
    return table


def _line(size: int, name: str) -> str:
    return f"{size / 2**20:8.2f} MiB  {name}"


if __name__ == "__main__":
    main()
