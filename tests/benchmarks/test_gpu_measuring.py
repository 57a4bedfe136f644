"""Floors, comparisons of devices, and outcomes of tests."""

import json
import os
import subprocess
import sys

import pytest
import torch

from benchmarks.gpu.compared import Subject, compared, with_gradient
from benchmarks.gpu.floor import counted, floor_seconds
from benchmarks.gpu.outcomes import VARIABLE, read_outcomes
from benchmarks.gpu.parts.tests import RUNS, marked_files
from benchmarks.gpu.rates import Rates
from tests.helpers.places import ROOT
from tests.helpers.precision import DTYPES, HALVES

RATES = Rates(bytes=1e6, float32=1e9, convolution=4e9, bfloat16=1e9)
CPU = torch.device("cpu")


def test_products_and_convolutions_are_counted_forward_and_backward():
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    kernel, matrix = torch.rand(4, 3, 3, 3), torch.rand(10, 20)
    forward = counted(lambda: torch.conv2d(images, kernel))
    assert forward == {"product": 0, "convolution": 2 * 2 * 36 * 4 * 27}
    both = counted(lambda: torch.autograd.grad(torch.conv2d(images, kernel).sum(), images))
    assert both["convolution"] == 2 * forward["convolution"]
    assert counted(lambda: torch.rand(5, 10) @ matrix) == {"product": 2 * 5 * 10 * 20, "convolution": 0}


def test_the_floor_is_the_larger_of_arithmetic_and_bytes():
    assert floor_seconds({"product": 2e9, "convolution": 4e9}, 1e6, RATES) == {"seconds": 3.0, "bound": "arithmetic"}
    assert floor_seconds({"product": 2e9, "convolution": 4e9}, 5e6, RATES) == {"seconds": 5.0, "bound": "bytes"}


def test_rates_are_measured_and_written():
    found = Rates.measured(CPU, toy=True)
    assert found.bytes > 0
    assert found.convolution == found.float32
    assert Rates(2e12, 3.4567e13, 4e14, 8e14).written() == {
        "bytes": 2000.0, "float32": 34.57, "convolution": 400.0, "bfloat16": 800.0,
    }  # fmt: skip


def test_devices_are_compared_on_the_inputs_that_both_have():
    entry = compared(
        Subject(torch.rand(6, 5, dtype=torch.float32), 2, lambda device: with_gradient(torch.sin)), CPU, RATES
    )
    assert (entry["batch"], entry["cpu_batch"]) == (6, 2)
    for name in ("forward", "gradient"):
        assert entry[name]["difference"] == 0
        assert entry[name]["bound"] == "bytes"
        assert entry[name]["floor_milliseconds"] == 0.04  # 2 x 5 x 4 bytes at 1e6 a second
        assert entry[name]["milliseconds"] > 0
        assert entry[name]["cpu_milliseconds"] > 0


def test_what_differs_is_measured_unless_it_is_drawn():
    """Twice the inputs on the one and three times on the other: gradients of sums of squares are 8 x and 18 x."""
    for by_chance, forward, gradient in ((False, 0.5, 1.25), (True, None, None)):
        factors = iter((2.0, 3.0))

        def calls(device, factors=factors):
            factor = next(factors)
            return with_gradient(lambda inputs: inputs * factor)

        entry = compared(Subject(torch.rand(4, 5), 2, calls, by_chance), CPU, RATES)
        assert entry["forward"]["difference"] == (forward if forward is None else pytest.approx(forward, abs=1e-3))
        assert entry["gradient"]["difference"] == (gradient if gradient is None else pytest.approx(gradient, abs=1e-3))


TESTS = """
import pytest
def test_good(record_property):
    record_property("refused", "float32 alone")
def test_bad():
    assert 1 == 2
@pytest.mark.skip(reason="not here")
def test_left_out():
    pass
"""


def test_outcomes_are_noted_line_by_line_and_those_known_not_run_again(tmp_path):
    (tmp_path / "test_these.py").write_text(TESTS)
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"test": "test_these.py::test_good", "outcome": "passed"}) + '\n{"test": "cut o')
    command = [sys.executable, "-m", "pytest", "-p", "benchmarks.gpu.outcomes", "-p", "no:cacheprovider", "-q"]
    known = subprocess.run(
        [*command, "--rootdir", tmp_path, "-c", os.devnull, tmp_path / "test_these.py"],
        cwd=tmp_path, env=os.environ | {VARIABLE: str(lines), "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert "1 deselected" in known.stdout, known.stdout + known.stderr
    found = read_outcomes(lines)
    assert {name.split("::")[1]: one["outcome"] for name, one in found.items()} == {
        "test_good": "passed", "test_bad": "failed", "test_left_out": "skipped",
    }  # fmt: skip
    assert found["test_these.py::test_bad"]["error"] == "assert 1 == 2"


CRASHING = """
import os, time, pytest
@pytest.mark.parametrize("number", range(12))
def test_one(number):
    if number == 5:
        time.sleep(0.5)
        os._exit(9)
"""


def test_a_process_that_crashes_is_replaced_and_the_others_tests_are_run(tmp_path):
    (tmp_path / "test_these.py").write_text(CRASHING)
    lines = tmp_path / "lines.jsonl"
    lines.write_text(json.dumps({"test": "test_these.py::test_one[0]", "outcome": "passed"}) + "\n")
    command = [sys.executable, "-m", "pytest", "-p", "benchmarks.gpu.outcomes", "-p", "no:cacheprovider", "-n", "2"]
    ran = subprocess.run(
        [*command, "--rootdir", tmp_path, "-c", os.devnull, tmp_path / "test_these.py"],
        cwd=tmp_path, env=os.environ | {VARIABLE: str(lines), "PYTHONPATH": f"{ROOT}/src:{ROOT}"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout + ran.stderr
    found = {name.split("::")[1]: one["outcome"] for name, one in read_outcomes(lines).items()}
    assert found == {f"test_one[{number}]": "failed" if number == 5 else "passed" for number in range(12)}


def test_files_with_marked_tests_are_found_and_every_one_is_chosen_once():
    found = marked_files()
    assert {"tests/frontends/test_front_end_contract.py", "tests/attacks/test_attack_contract.py"} < set(found)
    assert "tests/benchmarks/test_gpu_measuring.py" not in found
    float32 = [chosen for dtype, chosen in RUNS.values() if dtype == "float32"]
    assert float32 == ["not half_precision and not attack_contract", "attack_contract"]
    assert {dtype for dtype, _ in RUNS.values()} == {*DTYPES, *HALVES}
