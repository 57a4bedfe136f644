"""`make demo`: the main job on 5,000 real digits, from learning a dictionary to the report."""

from pathlib import Path

from sparsefront.cli import main
from sparsefront.report import report

EXPERIMENTS = Path("lightning_configs/experiments")
FOLDER = Path("runs/demo")


def demo() -> Path:
    """Train a small classifier behind the top-T front end and without it, attack both, write one report."""
    runs = []
    for name in ("mnist5k_natural", "mnist5k_top_t"):
        print(f"\n{name}: sparsefront fit --config {EXPERIMENTS / name}.yaml", flush=True)
        cli = main(["fit", "--config", f"{EXPERIMENTS / name}.yaml", "--run_dir", str(FOLDER / name)])
        runs.append(Path(cli.trainer.log_dir))
    return report(runs, FOLDER / "report.html", stage="val")


if __name__ == "__main__":
    demo()
