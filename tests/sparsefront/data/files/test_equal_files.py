"""Files of equal bytes are found without reading all of them."""

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.data.files import equal_files
from sparsefront.data.files.equal_files import equal_to

# Few contents, many of equal size or with equal ends, some longer than the end that is looked at first.
CONTENTS = [
    b"",
    b"a",
    b"b",
    b"ab",
    b"bb",
    bytes(5000),
    b"x" + bytes(4999),
    bytes(4999) + b"x",
    bytes(4096),
    bytes(9000),
]


@given(st.lists(st.sampled_from(CONTENTS), max_size=9), st.lists(st.sampled_from(CONTENTS), max_size=9))
@settings(deadline=None, max_examples=60)
def test_it_finds_what_comparing_all_bytes_finds(ours, theirs):
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, content in enumerate([*ours, *theirs]):
            paths.append(str(Path(folder, str(number))))
            Path(paths[-1]).write_bytes(content)
        own, other = paths[: len(ours)], paths[len(ours) :]
        found = equal_to(own, other)
        assert found == {
            number: other[theirs.index(content)] for number, content in enumerate(ours) if content and content in theirs
        }


def test_only_files_of_equal_size_are_read(tmp_path, monkeypatch):
    for number in range(4):
        (tmp_path / str(number)).write_bytes(bytes(10 + number % 3))
    read, before = [], equal_files._read
    monkeypatch.setattr(
        equal_files, "_read", lambda paths, whole, numbers: read.extend(paths) or before(paths, whole, numbers)
    )
    paths = [str(tmp_path / str(number)) for number in range(4)]
    assert equal_to(paths[:3], paths[3:]) == {0: paths[3]}
    assert set(read) == {paths[0], paths[3]}


def test_what_is_no_ordinary_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "nowhere").symlink_to("none")
    (tmp_path / "circle").symlink_to("circle")
    paths = [str(path) for path in tmp_path.iterdir()]
    assert equal_to(paths, paths) == {}
