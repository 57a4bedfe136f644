"""`make demo`: the main job on 5,000 real digits, from learning a dictionary to the report."""

import sys
from pathlib import Path

from sparsefront.cli.command import main
from sparsefront.cli.report import main as report
from sparsefront.common import stopping

EXPERIMENTS = Path("lightning_configs/experiments")
FOLDER = Path("runs/demo")


def demo() -> int:
    """Train a small classifier behind the top-T front end and without it, attack both, show the table and a page.

    Goes on where it was interrupted, and does not train again what is whole.
    """
    runs: list[str] = []
    for name in ("mnist5k_natural", "mnist5k_top_t"):
        config, folder = f"{EXPERIMENTS / name}.yaml", str(FOLDER / name)
        print(f"\n{name}: sparsefront fit --config {config}", flush=True)
        main(["fit", "--config", config, "--run_dir", folder, "--ckpt_path", "last"])
        runs.append(folder)
    return report([*runs, "--stage", "val", "--out", str(FOLDER / "report.html")])


if __name__ == "__main__":
    with stopping.command("make demo", []):
        sys.exit(demo())
