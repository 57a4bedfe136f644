"""A disk that is full, or whatever the system refuses, is one sentence with the file; the last state is whole."""

import errno
import os
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from pytorch_lightning.loggers import CSVLogger

from sparsefront.cli.command import main
from sparsefront.cli.report import main as report
from sparsefront.cli.study import main as study
from sparsefront.common import atomic_file as atomic_file
from sparsefront.common.checkpoints.checkpoint_file import read_whole_checkpoint

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]
SMALL = [
    "--model.classifier", "ConvNet", "--data", "MNIST5k", "--data.val_size", "5", "--data.batch_size", "50",
    "--trainer.accelerator", "cpu", "--trainer.max_epochs", "2", "--trainer.limit_train_batches", "1",
    "--trainer.limit_val_batches", "1", "--trainer.limit_test_batches", "1", "--trainer.limit_predict_batches", "1",
    "--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false", "--run_dir", "r",
    "--attacks+", "{name: fgsm, attack: {class_path: FGSM}}", "--evaluation.pictures.save_images", "true",
]  # fmt: skip
DDL = ["--model.frontend", "DDL", "--model.frontend.n_atoms", "9", "--model.frontend.learning.n_iterations", "2"]


@pytest.fixture
def full(monkeypatch):
    """No room for files whose name holds a text, from the given time that one is written on."""

    def begin(name, after=0, number=errno.ENOSPC):
        written, real = [], atomic_file._to_disk

        def refuse(path):
            if name in path.name and not path.is_dir():
                written.append(path)
                if len(written) > after:
                    raise OSError(number, os.strerror(number))
            real(path)

        monkeypatch.setattr(atomic_file, "_to_disk", refuse)

    return begin


def refused(verb, capsys, *args):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([verb, *SMALL, *args])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert not list(Path("r").rglob(".*.tmp*"))
    return next(line for line in error.splitlines() if line.startswith("sparsefront: error: "))


@pytest.mark.parametrize(
    ("verb", "name", "file", "number"),
    [
        ("fit", ".config.", "version_0/config.yaml", errno.EACCES),
        ("fit", ".frontend.", "version_0/checkpoints/frontend.ckpt", errno.ENOSPC),
        ("fit", ".last.", "version_0/checkpoints/last.ckpt", errno.EROFS),
        ("fit", ".val_samples.", "version_0/results/val_samples.csv", errno.ENOSPC),
        ("test", ".test_attacks.", "version_0/results/test_attacks.json", errno.ENOSPC),
        ("test", ".costs.", "version_0/results/test_partial/costs.0.json", errno.EDQUOT),
        ("test", ".test_images.", "version_0/results/test_images.npz", errno.ENOSPC),
        ("validate", "_0.", "version_0/results/val_adversarial/fgsm/", errno.ENOSPC),
        ("predict", ".predictions.", "version_0/predictions.csv", errno.EIO),
    ],
)
def test_a_file_that_has_no_room_is_named(verb, name, file, number, full, capsys):
    full(name, number=number)
    error = refused(verb, capsys, *(DDL if name == ".frontend." else []))
    assert f"r/{file}" in error
    assert f"could not be written ({os.strerror(number)}); what was there before is as it was" in error


def test_a_fit_whose_disk_fills_goes_on_from_its_last_whole_state(full, monkeypatch, capsys):
    room = atomic_file._to_disk
    full(".last.", after=1)
    assert "r/version_0/checkpoints/last.ckpt could not be written" in refused("fit", capsys)
    assert read_whole_checkpoint("r/version_0/checkpoints/last.ckpt", "ckpt_path")["epoch"] == 0
    monkeypatch.setattr(atomic_file, "_to_disk", room)
    cli = main(["fit", *SMALL, "--ckpt_path", "last"])
    assert cli.trainer.global_step == 2


def test_metrics_that_have_no_room_are_named(monkeypatch, capsys):
    def save(logger):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(CSVLogger, "save", save)
    assert "metrics.csv could not be written (No space left on device)" in refused("fit", capsys)


@contextmanager
def small_files_alone():
    """No file of this process grows beyond so many bytes, pytest's own neither."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_the_system_itself_refuses_in_the_middle_of_a_checkpoint(capsys):
    """A limit on the size of files stands for the disk."""
    with small_files_alone():
        said = refused("fit", capsys)
    assert "last.ckpt could not be written (File too large); what was there before is as it was" in said
    assert not list(Path("r").rglob("*.ckpt"))


def test_a_report_and_a_study_name_what_they_cannot_write(full, monkeypatch, capsys):
    main(["test", *SMALL])
    full(".report.")
    assert report(["r", "--out", "page/report.html"]) == 1
    assert "page/report.html could not be written (No space left on device)" in capsys.readouterr().err
    Path("file").touch()
    assert report(["r", "--out", "file/report.html"]) == 1
    assert "file/report.html could not be written" in capsys.readouterr().err
    Path("study.yaml").write_text(
        "run_dir: file/x\nconfigs: []\nsystems: {a: {settings: {model: {classifier: ConvNet}}}}\n"
    )
    monkeypatch.setattr("sparsefront.cli.study.check", lambda args: None)
    assert study(["study.yaml"]) == 1
    error = capsys.readouterr().err
    assert "sparsefront-study: file/x/a" in error
    assert "Errno" not in error


def test_a_checkpoint_is_never_half_there(tmp_path, monkeypatch):
    """Not even where the folder of temporary files is another disk, as Lightning's own way would have it."""
    monkeypatch.setenv("TMPDIR", "/nowhere")
    cli = main(["fit", *SMALL])
    path = Path(cli.trainer.log_dir) / "checkpoints/last.ckpt"
    before = path.read_bytes()

    def killed(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cli.trainer.save_checkpoint(path)
    assert path.read_bytes() == before
    assert torch.load(path, weights_only=True)["epoch"] == 1
