"""What the benchmark of STL compares."""

import pytest
import torch

from benchmarks.stl.coding import Walk
from benchmarks.stl.growth import middle, tiles
from benchmarks.table import table


def test_tiles_hold_the_pixels_of_the_middle_once_each():
    images = torch.rand(2, 3, 70, 66)
    whole = middle(images, 64)
    assert torch.equal(whole, images[:, :, 3:67, 1:65])
    parts = tiles(whole, 32)
    assert torch.equal(parts[:4], torch.stack([whole[0, :, i : i + 32, j : j + 32] for i in (0, 32) for j in (0, 32)]))
    assert torch.equal(parts.flatten().sort().values, whole.flatten().sort().values)


def test_runs_on_a_walk_meet_the_same_images_each_a_step_from_the_last():
    images = torch.rand(2, 3, 8, 8) * 0.5 + 0.25
    one, other = (Walk(images, lambda of: of) for _ in range(2))
    first, second = one(), one()
    assert torch.equal(other(), first)
    assert torch.equal(other(), second)
    torch.testing.assert_close((second - first).abs(), torch.full_like(first, 2 / 255))


@pytest.mark.parametrize("unit", ["", "images"])
def test_a_table_says_how_many_a_second_where_there_is_a_unit(unit):
    ratio = {"ours": "a", "rival": "b", "ratio": 2.0, "goal": 1.0}
    entry = {"path": "p", "setting": "s", "signals": 6, "seconds": {"a": 2.0}, "floor_seconds": 0, "checks": {}}
    entry |= {"machine": "Linux x86_64, one, two, 7 threads"}
    head, _, row = table([entry | {"ratios": [ratio]} | ({"unit": unit} if unit else {})]).splitlines()
    assert ("images/s" in head) == bool(unit)
    assert ("| 3 |" in row) == bool(unit)
    assert "| s | 7 | a |" in row
    assert head.count("|") == row.count("|")
