"""What the benchmark of front ends' costs measures."""

import json
import subprocess
import sys

import pytest
import torch

from benchmarks.frontends.__main__ import sentence
from benchmarks.frontends.built import fill
from sparsefront.frontends import D3
from tests.helpers.places import ROOT

COSTS = json.loads((ROOT / "benchmarks/frontends/results/costs.json").read_text())["costs"]


@pytest.mark.parametrize("name", sorted(set(COSTS) - {"identity"}))
def test_one_page_says_what_was_measured_of_each_fragment(name):
    pages = [page.read_text() for page in (ROOT / "docs/frontends").glob("*.md")]
    assert sum(sentence(name, COSTS[name]) in page.splitlines() for page in pages) == 1


def test_a_dictionary_is_filled_up_with_unit_vectors():
    frontend = D3((1, 8, 8), n_atoms=30, patch_size=4)
    frontend.dictionary[:, :2] = 0.25
    frontend.n_chosen.fill_(2)
    fill(frontend)
    assert frontend.n_chosen == 30
    assert (frontend.dictionary[:, :2] == 0.25).all()
    torch.testing.assert_close(frontend.dictionary.norm(dim=0), torch.ones(30))


def test_memory_is_that_of_the_call_whatever_was_called_before():
    # In a process of its own: how it gets memory changes for good.
    program = """
import torch
from benchmarks.frontends.growth import growth
def call(batch):
    return [torch.ones(2**20, dtype=torch.uint8) for _ in range(30 * len(batch) // 2)]
first = growth(call, torch.zeros(2))
left_behind = [torch.ones(2**18) for _ in range(200)]
left_behind = left_behind[::2]  # holes in the heap
print(first, growth(call, torch.zeros(2)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert all(28 < float(found) / 2**20 < 34 for found in run.stdout.split()), run.stdout
