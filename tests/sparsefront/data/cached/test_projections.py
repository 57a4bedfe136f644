import json
import threading
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefront.data.cached.projections import Projections

FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)


def filled(folder, rows, dtype=FLOAT, runs=None):
    """Rows (N, ...) written in runs of some numbers, ended and read anew."""
    projections = Projections(folder, len(rows))
    projections.begin(rows.shape[1:], dtype)
    for run in runs or [list(range(len(rows)))]:
        projections.write(torch.tensor(run), rows[run])
    projections.end({"made by": "a test"})
    return Projections(folder, len(rows))


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    order=st.permutations(range(7)),
    cuts=st.sets(st.integers(1, 6)),
)
def test_rows_written_in_any_order_are_read_bit_by_bit(shape, order, cuts, tmp_path_factory):
    rows = torch.randn(7, *shape)
    ends = [0, *sorted(cuts), 7]
    runs = [sorted(order[start:end]) for start, end in pairwise(ends)]
    projections = filled(tmp_path_factory.mktemp("rows"), rows, runs=runs)
    assert projections.whole
    projections.check()
    chosen = torch.tensor([6, 0, 3, 3])
    assert torch.equal(projections[chosen], rows[chosen])


def test_bytes_hold_pixels_to_the_nearest_of_256_levels(tmp_path):
    rows = torch.tensor([[0.0, 1.0, 0.5], [-0.2, 1.7, 100.4 / 255]], dtype=torch.float32)
    expected = torch.tensor([[0, 255, 128], [0, 255, 100]]) / 255
    assert torch.equal(filled(tmp_path, rows, BYTE)[torch.arange(2)], expected)


def test_what_is_missing_is_what_was_not_written(tmp_path):
    projections = Projections(tmp_path, 5)
    projections.begin((2,), FLOAT)
    assert projections.missing().tolist() == [0, 1, 2, 3, 4]
    projections.write(torch.tensor([1, 4]), torch.zeros(2, 2))  # zeros are rows like others
    assert projections.missing().tolist() == [0, 2, 3]
    assert not projections.whole
    assert projections.taken() > 0


def test_an_interrupted_run_is_gone_on_with_and_a_changed_row_is_written_again(tmp_path):
    rows = torch.randn(4, 3)
    projections = Projections(tmp_path, 4)
    projections.begin((3,), FLOAT)
    projections.write(torch.tensor([0, 1, 3]), rows[[0, 1, 3]])
    content = bytearray((tmp_path / "rows.part").read_bytes())
    content[-1] ^= 1  # of the last row
    (tmp_path / "rows.part").write_bytes(content)
    again = Projections(tmp_path, 4)
    again.begin((3,), FLOAT)
    assert again.missing().tolist() == [2, 3]
    again.write(again.missing(), rows[again.missing()])
    again.end({})
    assert torch.equal(Projections(tmp_path, 4)[torch.arange(4)], rows)


@pytest.mark.parametrize(("shape", "dtype", "number"), [((4,), FLOAT, 4), ((3,), BYTE, 4), ((3,), FLOAT, 5)])
def test_rows_of_another_kind_are_begun_anew(tmp_path, shape, dtype, number):
    projections = Projections(tmp_path, 4)
    projections.begin((3,), FLOAT)
    projections.write(torch.tensor([0]), torch.rand(1, 3))
    other = Projections(tmp_path, number)
    other.begin(shape, dtype)
    assert len(other.missing()) == number


def test_it_ends_with_one_whole_file_and_what_it_follows_from(tmp_path):
    filled(tmp_path, torch.rand(2, 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["about.json", "rows.npy"]
    assert json.loads((tmp_path / "about.json").read_text())["made by"] == "a test"
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy").shape, (2, 3))


@pytest.mark.parametrize(("shape", "dtype", "size"), [((3, 2), FLOAT, 5 * 6 * 4), ((7,), BYTE, 35), ((), FLOAT, 20)])
def test_their_size_is_known_before_they_are_written(tmp_path, shape, dtype, size):
    assert Projections(tmp_path, 5).size(shape, dtype) == size


def test_a_loaders_process_is_sent_no_rows(tmp_path):
    projections = filled(tmp_path, torch.rand(2, 3))
    projections[torch.tensor([0])]
    assert projections.__getstate__()["_rows"] is None


def test_a_second_run_waits_for_the_first(tmp_path, capsys):
    order = []

    def second():
        with Projections(tmp_path, 1).alone():
            order.append("second")

    with Projections(tmp_path, 1).alone():
        thread = threading.Thread(target=second)
        thread.start()
        while "Waiting" not in capsys.readouterr().out:
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
