"""Made-up run folders whose numbers can be counted by hand."""

import csv
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

LABEL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
CLEAN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0]  # the last of ten is wrong from the start


def entry(name, knowledge="white_box", fell=(), eps="8/255", norm="Linf", error=None):
    """An attack's entry in the JSON file, with the samples that fell to it."""
    views = {
        "white_box": ("WhiteBox", {"backward": "smooth"}),
        "gray_box": ("GrayBox", {}),
        "transfer": ("Transfer", {}),
    }
    return {
        "name": name,
        "knowledge": knowledge,
        "attack": {"class_path": "PGD", "init_args": {"norm": norm, "eps": eps, "steps": 3}},
        "view": dict(zip(("class_path", "init_args"), views[knowledge], strict=True)),
        "budget": {"norm": norm, "size": float(Fraction(eps)), "relative": False},
        "minimises": None,
        "asks_only": False,
        "seconds": 1.5,
        "error": error,
        "fell": list(fell),
    }


ATTACKS = (
    entry("pgd", fell=(0, 1)),
    entry("fgsm", fell=(1,)),
    entry("pgd_gray", "gray_box", fell=(1, 2, 3)),
)


SIGN = {
    "flag": "transfer_stronger",
    "adversary": "gray box",
    "raised": True,
    "sentence": "at Linf 8/255 pgd_gray fools 3 of 9 samples and pgd, fgsm 2: gradients may be masked.",
}


def _columns(attacks: Sequence[dict], blank_failed: bool) -> dict[str, list]:
    columns: dict[str, list] = {"index": list(range(100, 110)), "label": LABEL, "clean_pred": CLEAN}
    for attack in attacks:
        name, fell = attack["name"], attack["fell"]
        if attack["error"] is not None:
            if blank_failed:
                columns |= {f"{name}/{key}": [""] * 10 for key in ("pred", "success", "linf", "l2", "l1")}
            continue
        columns[f"{name}/pred"] = [(LABEL[i] + 1) % 10 if i in fell else CLEAN[i] for i in range(10)]
        columns[f"{name}/success"] = [int(i in fell) for i in range(10)]
        for norm, unit in (("linf", 0.01), ("l2", 0.1), ("l1", 1.0)):
            columns[f"{name}/{norm}"] = [unit * (i + 1) if i != 9 else "" for i in range(10)]
    return columns


def _images(attacks: Sequence[dict]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    clean = rng.random((2, 1, 6, 6), dtype=np.float32)
    images = {"clean": clean, "through/clean": clean, "label": np.array(LABEL[:2]), "clean_pred": np.array(CLEAN[:2])}
    for attack in attacks:
        if attack["error"] is None:
            name = attack["name"]
            images |= {f"adv/{name}": clean**2, f"through/{name}": clean, f"pred/{name}": np.array([1, 2])}
    return images | {"atoms": rng.standard_normal((5, 1, 4, 4))}


def _maker(parent: Path) -> Callable[..., Path]:

    def make(
        folder="run", attacks=ATTACKS, stage="val", system="TopT + ConvNet", extras=True, blank_failed=True
    ) -> Path:
        home = parent / folder
        (home / "results").mkdir(parents=True, exist_ok=True)
        columns = _columns(attacks, blank_failed)
        with (home / "results" / f"{stage}_samples.csv").open("w", newline="") as file:
            csv.writer(file).writerows([columns, *zip(*columns.values(), strict=True)])
        about = {"stage": stage, "epoch": 1, "system": system, "data": "MNIST5k", "n_samples": 10, "machine": "a <box>"}
        about["diagnostics"] = (
            [SIGN] if any(attack["knowledge"] == "gray_box" and attack["fell"] for attack in attacks) else []
        )
        about["attacks"] = [{key: attack[key] for key in attack if key != "fell"} for attack in attacks]
        about |= {"versions": {"torch": "2.8"}, "command": "sparsefront fit"}
        (home / "results" / f"{stage}_attacks.json").write_text(json.dumps(about))
        if extras:
            np.savez(home / "results" / f"{stage}_images.npz", **_images(attacks))
            (home / "config.yaml").write_text("model: <b>bold</b>\n")
            (home / "metrics.csv").write_text(
                "epoch,step,train/loss,val/robust_acc/pgd\n0,9,2.0,\n0,19,,0.5\n1,29,1.0,0.6\n"
            )
        return home

    return make


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a run folder of ten samples and returns it."""
    return _maker(tmp_path)


@pytest.fixture(scope="module")
def make_shared_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The same for runs that all tests of a file read and none writes to."""
    return _maker(tmp_path_factory.mktemp("runs"))


@pytest.fixture(name="entry", scope="session")
def entry_fixture() -> Callable[..., dict]:
    """The function that makes an attack's entry."""
    return entry
