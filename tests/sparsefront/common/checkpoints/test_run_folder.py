"""Which checkpoint a path means, against a plain search over what was written."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.common.checkpoints.run_folder import (
    Checkpoint,
    find_checkpoint,
    has_checkpoint,
    last_checkpoint,
)
from sparsefront.common.run_versions import versions_of

WHOLE, TORN, EMPTY = "whole", "torn", "empty"


def write(path, step=0, epoch=0, state=WHOLE, clock=None):
    """A checkpoint file; a torn one lacks its end, as after a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": {"w": torch.full((3,), float(step))}, "epoch": epoch, "global_step": step}, path)
    if state != WHOLE:
        path.write_bytes(path.read_bytes()[: 200 if state == TORN else 0])
    if clock is not None:
        os.utime(path, (clock, clock))
    return path


files = st.dictionaries(
    st.sampled_from(["last", "epoch0", "epoch1", "epoch2", "last-v1", "better-of-two"]),
    st.tuples(st.integers(0, 50), st.sampled_from([WHOLE, WHOLE, TORN, EMPTY]), st.integers(1, 10**6)),
    max_size=4,
)
runs = st.dictionaries(st.integers(0, 120), files, max_size=4)


@pytest.mark.filterwarnings("ignore:.*cannot be read whole")
@settings(max_examples=60, deadline=None)
@given(run=runs, chosen=st.integers(0, 3))
def test_newest_is_the_whole_file_of_the_highest_step_in_the_highest_version_whatever_the_clock(run, chosen):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "r"
        folder.mkdir()
        for number, some in run.items():
            (folder / f"version_{number}").mkdir()
            for stem, (step, state, clock) in some.items():
                write(folder / f"version_{number}/checkpoints/{stem}.ckpt", step, step // 5, state, clock)
            write(folder / f"version_{number}/checkpoints/.last.12.tmp.ckpt", 999)  # what a kill leaves behind
            torch.save({"state_dict": {}}, folder / f"version_{number}/checkpoints/frontend.ckpt")
        whole = {number: [step for step, state, _ in some.values() if state == WHOLE] for number, some in run.items()}
        with_any = [number for number, steps in whole.items() if steps]
        for asked in (folder, str(folder)):
            if with_any:
                found = find_checkpoint(asked, "ckpt_path")
                assert found == last_checkpoint(asked)
                assert found.path.parts[-3] == f"version_{max(with_any)}"
                assert found.step == max(whole[max(with_any)])
                assert torch.load(found.path)["global_step"] == found.step
            else:
                with pytest.raises((ValueError, FileNotFoundError), match="`ckpt_path` must name"):
                    find_checkpoint(asked, "ckpt_path")
        assert has_checkpoint(folder) == any(run.values())
        for number in list(run)[chosen : chosen + 1]:  # a configuration of a run means that run's own
            config = folder / f"version_{number}/config.yaml"
            config.touch()
            if whole[number]:
                assert last_checkpoint(folder, [config]).path.parts[-3] == f"version_{number}"
            elif run[number]:
                with pytest.raises(ValueError, match=r"which do(es)? not load"):
                    last_checkpoint(folder, [config])


@pytest.mark.parametrize("state", [TORN, EMPTY])
def test_a_damaged_last_beside_a_whole_older_one_is_passed_over_and_said(tmp_path, state):
    write(tmp_path / "version_0/checkpoints/last.ckpt", 20, 3, state)
    write(tmp_path / "version_0/checkpoints/epoch1.ckpt", 10, 1)
    with pytest.warns(
        UserWarning, match=r"last\.ckpt cannot be read whole; taken is .*epoch1\.ckpt \(epoch 1, step 10"
    ):
        assert last_checkpoint(tmp_path).step == 10


def test_of_two_files_of_one_step_the_later_epoch_is_taken_and_then_last(tmp_path):
    write(tmp_path / "version_0/checkpoints/epoch1.ckpt", 10, 1, clock=500)
    last = write(tmp_path / "version_0/checkpoints/last.ckpt", 10, 1, clock=100)
    assert last_checkpoint(tmp_path).path == last
    later = write(tmp_path / "version_0/checkpoints/epoch2.ckpt", 10, 2, clock=1)
    assert last_checkpoint(tmp_path).path == later


def test_a_file_a_version_a_folder_of_checkpoints_and_a_run_may_be_named(tmp_path, monkeypatch):
    old = write(tmp_path / "r/version_0/checkpoints/last.ckpt", 10, 1)
    new = write(tmp_path / "r/version_10/checkpoints/last.ckpt", 4)
    write(tmp_path / "r/version_9/checkpoints/last.ckpt", 99)
    (tmp_path / "r/version_11/results").mkdir(parents=True)  # a test has no checkpoints
    (tmp_path / "r/version_x/checkpoints").mkdir(parents=True)
    assert [path.name for path in versions_of(tmp_path / "r")] == ["version_11", "version_10", "version_9", "version_0"]
    for asked, found in [("r", new), ("r/version_0", old), ("r/version_0/checkpoints", old), (old, old)]:
        assert find_checkpoint(tmp_path / asked, "s").path == found
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_checkpoint("~/r/version_0", "s") == find_checkpoint(old, "s")
    monkeypatch.chdir(tmp_path)
    assert last_checkpoint("r", ["r/version_0/config.yaml"]).path == Path("r/version_0/checkpoints/last.ckpt")


def test_a_run_that_was_moved_and_copied_is_its_own_whatever_lies_beside_it(tmp_path):
    write(tmp_path / "a/version_0/checkpoints/last.ckpt", 80)
    shutil.move(tmp_path / "a", tmp_path / "b")
    shutil.copytree(tmp_path / "b", tmp_path / "c")
    write(tmp_path / "b/version_0/checkpoints/last.ckpt", 87)
    assert find_checkpoint(tmp_path / "c", "s").step == 80
    assert find_checkpoint(tmp_path / "b", "s").step == 87
    assert last_checkpoint(tmp_path / "b", [tmp_path / "c/version_0/config.yaml"]).step == 80


def test_older_runs_with_checkpoints_beside_their_versions_are_read(tmp_path):
    (tmp_path / "version_0").mkdir()
    old = write(tmp_path / "checkpoints/last.ckpt", 10)
    assert last_checkpoint(tmp_path, [tmp_path / "version_0/config.yaml"]).path == old
    assert has_checkpoint(tmp_path)
    write(tmp_path / "version_1/checkpoints/last.ckpt", 5)
    assert last_checkpoint(tmp_path).step == 5


def test_configurations_of_two_versions_do_not_say_which_is_meant(tmp_path):
    configs = [tmp_path / f"version_{n}/config.yaml" for n in range(2)]
    for config in configs:
        write(config.parent / "checkpoints/last.ckpt")
    with pytest.raises(ValueError, match=r"last must mean one version, found .*version_0 and .*version_1"):
        last_checkpoint(tmp_path, configs)


def test_a_front_end_alone_is_no_run_to_go_on_from_but_a_front_end(tmp_path):
    path = tmp_path / "version_0/checkpoints/frontend.ckpt"
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": {"learned": torch.tensor(True)}}, path)
    assert not has_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError, match="`ckpt_path` must name a checkpoint file, found none in"):
        last_checkpoint(tmp_path)
    assert find_checkpoint(tmp_path, "frontend_checkpoint", front_end=True).path == path
    write(tmp_path / "version_0/checkpoints/last.ckpt", 1)
    assert find_checkpoint(tmp_path, "frontend_checkpoint", front_end=True).path.name == "last.ckpt"


def test_what_is_not_there_or_elsewhere_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="`s` must name a checkpoint file, found none at"):
        find_checkpoint(tmp_path / "nowhere", "s")
    with pytest.raises(FileNotFoundError, match="found none in"):
        find_checkpoint(tmp_path, "s")
    for address in ("http://x/last.ckpt", "file:///x.ckpt", "s3://b/x"):
        with pytest.raises(ValueError, match="`s` must name a file or folder on this machine"):
            find_checkpoint(address, "s")


def test_a_checkpoint_says_its_epoch_its_step_and_its_digest(tmp_path):
    found = Checkpoint.at(write(tmp_path / "a.ckpt", 124, 3))
    assert (found.epoch, found.step, len(found.digest)) == (3, 124, 64)
    assert f"(epoch 3, step 124, sha256 {found.digest[:12]})" in str(found)
    torch.save({"w": torch.zeros(1)}, tmp_path / "b.ckpt")
    assert Checkpoint.at(tmp_path / "b.ckpt").step is None
