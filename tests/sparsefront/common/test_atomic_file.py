import errno
import os
import subprocess
import sys

import pytest

from sparsefront.common.atomic_file import NotWrittenError, atomic_file, sweep, write_atomically


def test_a_text_is_written_into_a_folder_that_was_not_there_and_replaces_another(tmp_path):
    path = tmp_path / "new" / "table.md"
    for text in ("first", "Ψ"):
        write_atomically(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert list(path.parent.iterdir()) == [path]


def write_half(path):
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_what_is_cut_short_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_written_to_ends_in_the_suffix_by_which_a_format_is_chosen(tmp_path):
    with atomic_file(tmp_path / "picture.png") as temporary:
        assert temporary.suffix == ".png"
        temporary.touch()


STOPPED = 4_194_305  # above the largest number that Linux gives a process


@pytest.mark.parametrize(
    ("target", "strays"),
    [
        ("last.ckpt", [f".last.{STOPPED}.tmp.ckpt"]),
        ("rows", [f".rows.{STOPPED}.tmp"]),
        ("a[1].npz", [f".a[1].{STOPPED}.tmp.npz", f".a[1].{STOPPED + 1}.tmp.npz"]),
        ("epoch=1.5.ckpt", [f".epoch=1.5.{STOPPED}.tmp.ckpt"]),
    ],
)
@pytest.mark.parametrize("sweeping", ["the same file again", "the folder above"])
def test_the_beginnings_that_a_killed_process_left_are_swept_and_nothing_else_is(tmp_path, target, strays, sweeping):
    home = tmp_path / "version_0" / "checkpoints"
    home.mkdir(parents=True)
    kept = [".hidden", "last.tmp.ckpt", f".last.{os.getppid()}.tmp.ckpt", ".last.x.tmp.ckpt", ".gitignore", "notes.txt"]
    for name in [*strays, *kept]:
        (home / name).write_text("x")
    if sweeping == "the folder above":
        sweep(tmp_path)
    write_atomically(home / target, "whole")
    assert {path.name for path in home.iterdir()} == {target, *kept}


def stopped_while_writing(path):
    """The beginning that a process leaves which is killed."""
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        name, process = temporary.name, str(os.getpid())
    stray = path.with_name(name.replace(process, str(STOPPED), 1))
    stray.write_text("half")
    return stray


@pytest.mark.parametrize("target", ["last.ckpt", "rows", "epoch=1.5.ckpt"])
def test_what_another_machine_is_writing_is_left_alone_and_this_ones_beginnings_are_not(tmp_path, monkeypatch, target):
    path = tmp_path / "version_0" / "checkpoints" / target
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "another.example.org")
        foreign = stopped_while_writing(path)
    own = stopped_while_writing(path)
    assert own != foreign
    sweep(tmp_path)
    assert set(path.parent.iterdir()) == {path, foreign}
    own.write_text("half")
    write_atomically(path, "whole")
    assert set(path.parent.iterdir()) == {path, foreign}


@pytest.mark.parametrize("folder", [".", "mine", "mine/version_0", "versions"])
def test_files_of_other_programs_outside_of_a_runs_versions_are_left_alone(tmp_path, folder):
    path = tmp_path / folder / f".x.{STOPPED}.tmp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    sweep(tmp_path)
    assert path.is_file()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("where", ["os.replace", "os.fsync", "pathlib.Path.mkdir", "pathlib.Path.write_text"])
def test_what_cannot_be_written_is_named_and_the_last_good_state_is_intact(tmp_path, monkeypatch, number, where):
    path = tmp_path / "table.csv"
    path.write_text("before")

    def full(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(where, full)
        with pytest.raises(NotWrittenError) as refused:
            write_atomically(path, "after")
    assert str(refused.value).startswith(f"{path} could not be written ({os.strerror(number)}); what was there before")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("table.csv", "before")]


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(NotWrittenError, match=r"table\.csv could not be written \(Is a directory\)"):
        write_atomically(tmp_path / "table.csv", "after")


def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_the_one_before(tmp_path):
    """A limit on the size of files stands for the disk: the system refuses the bytes, not a stand-in of ours."""
    path = tmp_path / "table.csv"
    path.write_text("before")
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from sparsefront.common.atomic_file import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_atomically(Path(sys.argv[1]), 'x' * 100000)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "table.csv could not be written (File too large)" in ran.stderr
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("table.csv", "before")]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe"])
def test_what_is_no_regular_file_is_refused_and_stays_what_it_is(tmp_path, kind):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    path = pipe if kind == "pipe" else tmp_path / "link"
    if path != pipe:
        path.symlink_to(pipe)
    with pytest.raises(NotWrittenError, match=r"pipe could not be written \(it is a device, pipe or socket"):
        write_atomically(path, "text")
    assert pipe.is_fifo()


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link.md", tmp_path / "there" / "table.md"
    target.write_text("before")
    link.symlink_to(target)
    write_atomically(link, "after")
    assert link.is_symlink()
    assert target.read_text() == "after"
