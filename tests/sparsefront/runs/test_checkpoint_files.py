"""How a Trainer's checkpoints are written and read."""

import logging

import pytest
import pytorch_lightning as pl
import torch

from sparsefront.common.checkpoints.tensor_digest import DIGEST, digest_of
from sparsefront.runs.checkpoint_files import CheckpointFiles, write_checkpoint


def content():
    state = {"a": torch.rand(3, 2), "b": torch.tensor(3)}
    return {"state_dict": state, "pytorch-lightning_version": pl.__version__, "loops": {"x": 1}}


def test_what_is_written_is_read_again_with_the_digest_of_its_tensors(tmp_path, caplog):
    files, written = CheckpointFiles(), content()
    files.save_checkpoint(written, tmp_path / "new/x.ckpt")
    found = files.load_checkpoint(tmp_path / "new/x.ckpt", weights_only=False)
    assert found.pop(DIGEST) == digest_of(written["state_dict"])
    assert all(torch.equal(found["state_dict"][name], tensor) for name, tensor in written["state_dict"].items())
    assert found["loops"] == {"x": 1}
    assert DIGEST not in written
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.ckpt"]
    assert "digest" not in caplog.text


def test_a_checkpoint_of_an_older_version_is_read_and_that_is_said(tmp_path, caplog, monkeypatch):
    records, listener = [], logging.Handler()
    listener.emit = records.append
    name = "pytorch_lightning.utilities.rank_zero"
    # pytest 8 hears no logger that keeps its records to itself, as Lightning's may.
    monkeypatch.setattr(logging.getLogger(name), "handlers", [listener])
    torch.save(content(), tmp_path / "x.ckpt")
    with caplog.at_level("INFO", logger=name):
        assert CheckpointFiles().load_checkpoint(tmp_path / "x.ckpt")["loops"] == {"x": 1}
    assert [record.getMessage().count("keeps no digest of its tensors") for record in records] == [1]


def test_a_kill_in_the_middle_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "x.ckpt"
    write_checkpoint(content(), path)
    before = path.read_bytes()

    def killed(*args):
        raise KeyboardInterrupt

    for step in ("os.replace", "os.fsync", "pathlib.Path.write_bytes"):
        with monkeypatch.context() as patch:
            patch.setattr(step, killed)
            with pytest.raises(KeyboardInterrupt):
                write_checkpoint(content(), path)
        assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
