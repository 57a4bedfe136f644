import json
import subprocess
import sys

import pytest
import torch
import yaml
from torchvision.utils import save_image

from tests.helpers.places import CONFIGS, ROOT

SCRIPT = ROOT / "benchmarks/gpu/top_t_cifar10.py"


def small_experiments(folder):
    """The experiment files with all their attacks, of a few steps each, and a dictionary of few atoms."""
    folder.mkdir()
    for path in CONFIGS.glob("experiments/cifar10_*.yaml"):
        settings = yaml.safe_load(path.read_text())
        for named in settings["attacks"]:
            named["attack"]["init_args"]["steps"] = 3
        if dictionary := settings["model"]["frontend"].get("init_args"):
            dictionary["n_atoms"] = 30
            dictionary["learning"]["n_iterations"] = 20
        (folder / path.name).write_text(yaml.safe_dump(settings))
    return folder


@pytest.mark.slow
def test_the_gpu_benchmark_goes_the_whole_way_and_resumes(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for number in range(40):
                save_image(torch.rand(3, 32, 32), tmp_path / part / name / f"{number}.png")
    args = [
        "--image_folder", tmp_path, "--experiments", small_experiments(tmp_path / "experiments"), "--epochs", "2",
        "--limit_train_batches", "2", "--test_samples", "6", "--n_restarts", "1", "--out", tmp_path / "runs",
        "--results", tmp_path / "r.json",
    ]  # fmt: skip
    codes = []
    for limit in ("1", "1", "1000"):
        done = subprocess.run(
            [sys.executable, SCRIPT, *args, "--time_limit", limit], capture_output=True, text=True, timeout=1000
        )
        codes.append(done.returncode)
    assert codes == [3, 3, 0], done.stderr[-2000:]
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["whole"]
    assert set(found["systems"]) == {"natural", "top_t"}
    assert found["systems"]["top_t"]["attacks"].keys() >= {"pgd_linf", "pgd_linf_identity", "pgd_linf_gray", "pgd_l1"}
    for system in found["systems"].values():
        assert system["worst"] <= min(entry["robust_acc"] for entry in system["attacks"].values())
        assert system["n_samples"] == 6
