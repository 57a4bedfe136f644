import csv
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparsefront.cli import sweep
from sparsefront.cli.command import main
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.studies import turn
from sparsefront.studies.axes import Axis
from sparsefront.studies.sweep import sweep as sweep_of
from tests.helpers.places import CONFIGS

NAMES = ("base", "data/mnist5k", "classifiers/convnet", "frontends/bit_depth")
GRAY = "{name: fgsm_gray, attack: {class_path: FGSM, init_args: {eps: 0.1}}, view: {class_path: GrayBox}}"
COMMON = [
    *(word for name in NAMES for word in ("--config", str(CONFIGS / f"{name}.yaml"))),
    "--attacks+", GRAY, "--attacks+", "{name: fgsm, attack: {class_path: FGSM, init_args: {eps: 0.1}}}",
    "--trainer.limit_test_batches", "1", "--data.batch_size", "64", "--trainer.accelerator", "cpu",
    "--trainer.enable_progress_bar", "false",
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """Tests are run in this process, but for the one with 3 bits, which breaks down."""
    monkeypatch.chdir(tmp_path)
    done = []

    def run(verb, folder, arguments, shown=False):
        done.append(folder.name)
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name != "bits=3":
            monkeypatch.setattr(sys, "argv", ["cli.py", verb, *arguments, "--run_dir", str(folder)])
            main()
        return folder.name != "bits=3"

    monkeypatch.setattr(turn, "separate_run", run)
    return done


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def bits(*values):
    return ["--setting", "model.frontend.bits", "--values", *values, "--run_dir", "runs/s", *COMMON]


def test_a_sweep_tests_each_value_once_and_its_table_has_the_numbers_of_the_samples_files(ran, capsys):
    assert sweep.main(bits("1", "3", "6")) == 1  # the others are not lost
    assert ran == ["bits=1", "bits=3", "bits=6"]
    assert "bits=3 has no results: its test failed; see runs/s/bits=3/log.txt" in capsys.readouterr().err
    lines = [line.strip("| ").split(" | ") for line in Path("runs/s/sweep.md").read_text().splitlines()]
    start = next(number for number, line in enumerate(lines) if line[0] == "bits")
    header, table = lines[start], {line[0]: line for line in lines[start + 2 : start + 4]}
    assert set(table) == {"1", "6"}
    written = {(row["bits"], row["attack"]): row for row in rows(Path("runs/s/sweep.csv"))}
    for value, line in table.items():
        samples = rows(next(Path(f"runs/s/bits={value}").rglob("test_samples.csv")))
        right = [sample["clean_pred"] == sample["label"] for sample in samples]
        assert any(right)
        shown = dict(zip(header, line, strict=True))
        assert shown["clean"] == f"{100 * np.mean(right):.1f}"
        for attack in ("fgsm_gray", "fgsm"):
            held = [sample[f"{attack}/pred"] == sample["label"] for sample in samples]
            psnr = np.mean([float(sample[f"{attack}/psnr"]) for sample in samples if sample[f"{attack}/psnr"]])
            assert shown[attack] == f"{100 * np.mean(np.logical_and(held, right)):.1f}"
            assert shown[f"PSNR {attack}"] == f"{psnr:.1f}"
            assert float(written[value, attack]["psnr_adversarial"]) == pytest.approx(psnr)
    assert Path("runs/s/sweep.png").read_bytes().startswith(b"\x89PNG")

    assert sweep.main(bits("6", "1")) == 0
    assert ran == ["bits=1", "bits=3", "bits=6"]  # what is there is not done again
    assert sweep.main([*bits("1", "8"), "--evaluation.max_samples", "3"]) == 2  # results of other arguments
    assert "found in runs/s/bits=1 a test of other ones (evaluation.max_samples)" in capsys.readouterr().err
    assert ran == ["bits=1", "bits=3", "bits=6"]


def test_several_settings_are_swept_together_and_seeds_are_fitted_each(ran):
    quick = ["--trainer.limit_train_batches", "2", "--trainer.max_epochs", "1", "--trainer.limit_val_batches", "0"]
    seeds = ["--setting", "seed_everything", "--values", "0", "1", "--fit"]
    assert sweep.main([*bits("2"), *seeds, *quick]) == 0
    assert ran == ["bits=2,seed_everything=0"] * 2 + ["bits=2,seed_everything=1"] * 2  # its fit, its test
    digests = {find_checkpoint(folder, "folder").digest for folder in Path("runs/s").glob("bits=*")}
    assert len(digests) == 2
    header, _, *lines = Path("runs/s/sweep.md").read_text().splitlines()[2:6]
    assert header.startswith("| bits, seed_everything | n | clean |")
    assert [line.split(" | ")[0] for line in lines] == ["| 2, 0", "| 2, 1"]
    assert {row["bits, seed_everything"] for row in rows(Path("runs/s/sweep.csv"))} == {"2, 0", "2, 1"}
    assert Path("runs/s/sweep.png").is_file()
    clean = [float(row["clean"]) for row in rows(Path("runs/s/sweep.csv")) if row["attack"] == "fgsm"]
    mean = next(row for row in rows(Path("runs/s/seeds.csv")) if row["attack"] == "no attack")
    assert (mean["system"], mean["seeds"]) == ("bits=2", "2")
    assert float(mean["mean"]) == pytest.approx(np.mean(clean))
    assert float(mean["standard_deviation"]) == pytest.approx(np.std(clean, ddof=1))
    assert f"| bits=2 | 2 | {100 * np.mean(clean):.1f} ± " in Path("runs/s/sweep.md").read_text()


def test_a_setting_without_values_of_its_own_is_refused(ran, capsys):
    assert sweep.main([*bits("2"), "--setting", "seed_everything"]) == 2
    assert "`--setting` must be given once with `--values` of its own" in capsys.readouterr().err


def test_a_value_that_cannot_be_is_refused_before_any_test(ran, capsys):
    assert sweep.main(bits("2", "0")) == 2
    error = capsys.readouterr().err
    assert "`bits` must be" in error
    assert "refused at system bits=0; nothing was fitted or tested" in error
    assert not ran


def test_values_that_would_share_a_folder_are_refused(ran, capsys):
    assert sweep.main(bits("8/255", "8_255")) == 2
    rule = "`model.frontend.bits` must have values with folders of their own, found bits=8_255 twice; drop one."
    assert rule in capsys.readouterr().err
    assert not ran


@pytest.mark.slow
def test_the_command_tests_in_processes_of_their_own_and_one_that_fails_is_named(tmp_path):
    command = [sys.executable, "-m", "sparsefront.cli.sweep", *bits("2", "4")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    home = tmp_path / "runs/s"
    assert {path.name for path in home.iterdir()} == {"bits=2", "bits=4", "sweep.md", "sweep.csv", "sweep.png"}
    assert (home / "sweep.md").read_text().startswith(f"`{shlex.join(['sparsefront-sweep', *bits('2', '4')])}`")
    bad = sweep_of([Axis("model.frontend.bits", ("0",))], tmp_path / "bad", COMMON).systems[0]
    assert "its test failed" in turn.take_turn(bad, lambda text, end: None)
    assert "`bits` must be" in (bad.folder / "log.txt").read_text()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("given", [["--ckpt_path", "runs/a"], ["--ckpt_path=runs/a"]])
def test_a_whole_checkpoint_is_swept_with_its_one_setting_allowed_to_differ(given):
    axis = Axis("model.frontend.bits", ("1", "2"))
    for value, system in zip(axis.values, sweep_of([axis], Path("runs/s"), given).systems, strict=True):
        own = [f"--model.frontend.bits={value}", "--may_differ+", "model.frontend.bits"]
        assert system.arguments == [*given, *own]
    for other in (sweep_of([axis], Path("runs/s")), sweep_of([axis], Path("runs/s"), given, fit=True)):
        assert not any("--may_differ+" in system.arguments for system in other.systems)


def test_a_sweep_of_one_trained_model_says_what_differs_from_its_weights(ran, capsys):
    quick = ["--trainer.limit_train_batches", "2", "--trainer.max_epochs", "1", "--trainer.limit_val_batches", "0"]
    main(["fit", *COMMON, *quick, "--model.frontend.bits", "2", "--run_dir", "runs/a"])
    assert sweep.main([*bits("1", "2"), "--ckpt_path", "runs/a"]) == 0
    said = Path("runs/s/sweep.md").read_text()
    assert "weights are of: model.frontend.bits: 2 → 1" in said
    assert said.count("tested with other settings") == 1
