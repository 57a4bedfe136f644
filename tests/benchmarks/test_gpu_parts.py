"""How parts are done: entry by entry, in time, and on from where they were."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from benchmarks.gpu import part as part_module
from benchmarks.gpu import run_all
from benchmarks.gpu.attacked import labels_of
from benchmarks.gpu.options import PARTS, Options
from benchmarks.gpu.outcomes import VARIABLE
from benchmarks.gpu.part import DONE, FAILED, LATE, do_part
from benchmarks.gpu.part_file import OtherResultsError, PartFile
from benchmarks.gpu.parts import cifar10, throughput
from benchmarks.gpu.parts import tests as tests_part
from benchmarks.gpu.pictures import Pictures
from benchmarks.gpu.systems import systems
from tests.helpers.places import ROOT

FACTS = {"part": "stub", "device": {"kind": "cpu"}, "toy": True, "versions": {"torch": "2"}}


def options(out, *more):
    return Options.parsed(["--out", str(out), "--device", "cpu", "--toy", *more], None)


def done(monkeypatch, out, run):
    """The code and the file of a part that is this function."""
    monkeypatch.setitem(sys.modules, "benchmarks.gpu.parts.stub", SimpleNamespace(run=run))
    code = do_part(options(out), "stub")
    return code, json.loads((out / "stub.json").read_text())


def test_what_is_whole_is_not_done_again_and_what_failed_is(monkeypatch, tmp_path):
    calls = []

    def run(part):
        for name in ("one", "two", "three"):
            part.do(name, lambda entry, name=name: work(name, entry))

    def work(name, entry):
        calls.append(name)
        entry["value"] = len(calls)
        if calls == ["one", "two"]:
            raise ValueError("broken")

    code, content = done(monkeypatch, tmp_path, run)
    assert code == FAILED
    assert calls == ["one", "two", "three"]
    assert content["entries"]["two"]["error"] == "ValueError: broken"
    assert not content["whole"]
    code, content = done(monkeypatch, tmp_path, run)
    assert code == DONE
    assert calls == ["one", "two", "three", "two"]
    assert content["whole"]
    assert "error" not in content["entries"]["two"]
    assert {name: entry["value"] for name, entry in content["entries"].items()} == {"one": 1, "two": 4, "three": 3}


def test_a_part_that_cannot_begin_says_so(monkeypatch, tmp_path):
    def run(part):
        part.do("one", lambda entry: None)
        raise OSError("no pictures")

    code, content = done(monkeypatch, tmp_path, run)
    assert code == FAILED
    assert content["error"] == "OSError: no pictures"
    assert content["entries"]["one"]["whole"]
    assert not content["whole"]


def test_results_say_where_they_are_from(monkeypatch, tmp_path):
    code, content = done(monkeypatch, tmp_path, lambda part: part.do("one", lambda entry: None))
    assert code == DONE
    assert content["device"] == {"kind": "cpu"}
    assert content["toy"] is True
    assert content["command"].startswith("python benchmarks/gpu/run_all.py")
    assert {"python", "torch", "numba"} <= content["versions"].keys()
    assert content["seconds"] >= 0
    assert content.keys() >= {"part", "machine", "commit", "whole", "error", "entries"}


def test_results_of_another_device_are_not_gone_on_from(tmp_path):
    path = tmp_path / "stub.json"
    PartFile(path, FACTS).write()
    for other in ({"device": {"kind": "cuda", "name": "another"}}, {"versions": {"torch": "3"}}):
        with pytest.raises(OtherResultsError, match="`--out` must be a folder of this part, device, size and versions"):
            PartFile(path, FACTS | other)


def test_an_entry_says_of_what_commits_it_is_and_rates_stay_with_what_rests_on_them(monkeypatch, tmp_path):
    steps, rates = [], []

    def run(part):
        part.do("one", lambda entry: rates.append(part.rates))
        part.do("two", work)

    def work(entry):
        steps.append(1)
        if len(steps) == 1:
            raise ValueError("mended in the next commit")

    for commit in ("a", "b", "c"):
        monkeypatch.setattr(part_module, "where_from", lambda *_, commit=commit: FACTS | {"commit": commit})
        _, content = done(monkeypatch, tmp_path, run)
        assert content["rates"].keys() >= {"bytes", "bfloat16"}
    assert {name: entry["commits"] for name, entry in content["entries"].items()} == {"one": ["a"], "two": ["a", "b"]}
    before = content["rates"]
    _, content = done(monkeypatch, tmp_path, lambda part: part.do("three", lambda _: rates.append(part.rates)))
    assert content["rates"] == before
    assert rates[0] == rates[1]


def test_results_on_other_pictures_are_not_gone_on_from(monkeypatch, tmp_path):
    def run(part, value, name):
        images = torch.full((2, 3, 4, 4), value, dtype=torch.uint8)
        part.do(name, lambda _: part.pictures("attacked", Pictures(images, torch.arange(2), "somewhere")))

    assert done(monkeypatch, tmp_path, partial(run, value=1, name="one"))[0] == DONE
    code, content = done(monkeypatch, tmp_path, partial(run, value=2, name="two"))
    assert code == FAILED
    found = "OtherResultsError: `--out` must be a folder of results on these pictures, found others (attacked)."
    assert content["entries"]["two"]["error"] == found
    assert done(monkeypatch, tmp_path, partial(run, value=1, name="two"))[0] == DONE


def test_other_results_are_neither_trusted_nor_touched(tmp_path):
    """Whole ones of other sizes are nothing that this call has done."""
    path = tmp_path / "solvers.json"
    PartFile(path, FACTS | {"part": "solvers"}).write(whole=True)
    before = path.read_text()
    command = [sys.executable, ROOT / "benchmarks/gpu/run_all.py", "--device", "cpu", "--parts", "solvers"]
    ran = subprocess.run([*command, "--out", tmp_path], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    assert "`--out` must be a folder of this part, device, size and versions, found" in ran.stdout
    assert "solvers: FAILED" in ran.stdout
    assert path.read_text() == before


def test_a_gpu_that_is_not_there_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["part", "tests", "--out", str(tmp_path)])
    assert part_module.main() == FAILED
    error = json.loads((tmp_path / "tests.json").read_text())["error"]
    assert error.startswith("ValueError: `--device` is cuda, but torch sees no GPU here")


def test_a_part_that_is_asked_twice_still_writes_what_it_has(monkeypatch, tmp_path):
    write = PartFile.write

    def asked_again(self, **arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        write(self, **arguments)

    def run(part):
        part.do("one", lambda entry: entry.update(value=1))
        monkeypatch.setattr(PartFile, "write", asked_again)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # not the end of all tests
    try:
        code, content = done(monkeypatch, tmp_path, run)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert code == LATE
    assert content["entries"]["one"]["value"] == 1


def test_paths_are_relative_to_where_the_call_is_made(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "__init__.py").write_text("raise ImportError('another one')")
    command = [sys.executable, ROOT / "benchmarks/gpu/run_all.py", "--parts", "throughput", "--out", "here"]
    without = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
    ran = subprocess.run(command, cwd=tmp_path, env=without, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1
    content = json.loads((tmp_path / "here" / "throughput.json").read_text())
    assert content["error"].startswith("ValueError: `--device` is cuda, but torch sees no GPU here"), ran.stderr


def test_the_worst_case_counts_an_attack_that_is_whole_only_later(monkeypatch, tmp_path):
    listed = [SimpleNamespace(name="weak"), SimpleNamespace(name="strong")]
    failing = ["strong"]

    def evaluate(_model, named, pictures, entry, *_):
        if named.name in failing:
            raise RuntimeError("mended later")
        found = labels_of(pictures)
        entry |= {"clean": found, "predictions": "x" * len(found) if named.name == "strong" else found}

    monkeypatch.setattr(cifar10, "attacks", lambda *_: listed)
    monkeypatch.setattr(cifar10, "trained_model", lambda *_: None)
    monkeypatch.setattr(cifar10, "evaluate", evaluate)

    def run(part):
        cifar10._attack(part, "net", systems(toy=True)["natural"])

    code, content = done(monkeypatch, tmp_path, run)
    assert code == FAILED
    assert (content["entries"]["net/worst"]["attacks"], content["entries"]["net/worst"]["worst"]) == (1, 100)
    failing.clear()
    code, content = done(monkeypatch, tmp_path, run)
    assert code == DONE
    assert (content["entries"]["net/worst"]["attacks"], content["entries"]["net/worst"]["worst"]) == (2, 0)


def test_packed_weights_are_attacked_beside_trained_ones_of_the_same_name(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "pgd_at.safetensors").touch()
    attacked = []
    monkeypatch.setattr(throughput, "TOY", ())
    monkeypatch.setattr(throughput.weights, "is_trained", lambda _folder, name: name == "pgd_at")
    monkeypatch.setattr(throughput, "_auto_attack", lambda _part, _shown, name, path, _entry: attacked.append(path))
    part = part_module.Part(options(tmp_path, "--packed", str(tmp_path)), PartFile(tmp_path / "stub.json", FACTS))
    part.file.facts["commit"] = "a"
    throughput.run(part)
    assert attacked == [None, tmp_path / "weights" / "pgd_at.safetensors"]
    assert list(part.file.entries) == ["auto_attack on pgd_at", "auto_attack on packed pgd_at"]


STOPPED = """
import sys, time
from types import SimpleNamespace
from benchmarks.gpu.options import Options
from benchmarks.gpu.part import do_part

def work(entry):
    for step in range(entry.get("steps", 0), 4):
        time.sleep(0.4)
        entry["steps"] = step + 1
    entry["seen"] = entry.get("seen", 0) + 1

def run(part):
    for name in ("one", "two"):
        part.do(name, work)

sys.modules["benchmarks.gpu.parts.stub"] = SimpleNamespace(run=run)
options = Options.parsed(["--device", "cpu", "--toy", "--seconds", sys.argv[1], "--out", sys.argv[2]], None)
sys.exit(do_part(options, "stub"))
"""


def test_a_part_stops_in_time_and_the_next_call_goes_on(tmp_path):
    def call(seconds):
        return subprocess.run([sys.executable, "-c", STOPPED, str(seconds), str(tmp_path)], cwd=ROOT).returncode

    assert call(2.5) == LATE
    content = json.loads((tmp_path / "stub.json").read_text())
    assert content["entries"]["one"]["whole"]
    assert 1 <= content["entries"]["two"]["steps"] <= 3
    assert "whole" not in content["entries"]["two"]
    assert not content["whole"]
    assert call(60) == DONE
    entries = json.loads((tmp_path / "stub.json").read_text())["entries"]
    assert {name: entry["seen"] for name, entry in entries.items()} == {"one": 1, "two": 1}


def test_outcomes_of_tests_outlive_a_kill_and_are_gone_on_from(monkeypatch, tmp_path):
    lines, seen = tests_part.outcomes_file(tmp_path, "float32, attacks"), []
    assert lines == tmp_path / "tests_float32_attacks.jsonl"

    def waited_for(_command, environment, _output):
        assert environment[VARIABLE] == str(lines)
        seen.append(json.loads((tmp_path / "stub.json").read_text())["entries"])
        with lines.open("a") as file:
            file.write(json.dumps({"test": f"test {len(seen)}", "outcome": "passed"}) + "\n")
        if len(seen) == 1:
            raise KeyboardInterrupt
        return 0

    def run(part):
        part.do("float32, attacks", partial(tests_part._run, part, "float32, attacks", "float32", "attack_contract"))

    monkeypatch.setattr(tests_part, "_waited_for", waited_for)
    with pytest.raises(KeyboardInterrupt):
        done(monkeypatch, tmp_path, run)
    assert "float32, attacks" in seen[0]
    assert len(lines.read_text().splitlines()) == 1
    content = json.loads((tmp_path / "stub.json").read_text())
    (tmp_path / "stub.json").write_text(json.dumps(content | {"entries": {}}))  # a kill keeps it from being written
    code, content = done(monkeypatch, tmp_path, run)
    assert code == DONE
    assert content["entries"]["float32, attacks"]["passed"] == 2
    assert not lines.exists()


@pytest.fixture
def shares(monkeypatch, tmp_path):
    """What each part is given of 100 seconds on a clock that moves with them, and what its calls end with."""
    now, given, endings = [0.0], [], {}

    def do_part(name, arguments, seconds, file):
        given.append((name, round(seconds, 1)))
        code, used = endings[name].pop(0)
        now[0] += used
        return code

    monkeypatch.setattr(run_all, "_do_part", do_part)
    monkeypatch.setattr(time, "time", lambda: now[0])
    return given, endings


def test_parts_have_their_share_in_the_order_of_their_worth_and_then_what_is_left(shares, tmp_path):
    given, endings = shares
    endings |= {name: [(DONE, 1.0)] for name in PARTS}
    endings["cifar10"] = [(LATE, 30.0), (DONE, 1.0)]
    assert run_all.do_all(options(tmp_path, "--until", str(100 + run_all.GRACE)), []) == 0
    assert given == [("tests", 25.0), ("cifar10", 64.4), ("solvers", 41.4), ("throughput", 68.0), ("cifar10", 67.0)]


def test_a_failed_part_keeps_none_from_its_turn_and_has_no_second_one(shares, tmp_path):
    given, endings = shares
    endings |= {name: [(DONE, 1.0)] for name in PARTS} | {"tests": [(FAILED, 1.0)], "solvers": [(-11, 1.0)]}
    assert run_all.do_all(options(tmp_path, "--until", "100"), []) == 1
    assert [name for name, _ in given] == list(PARTS)


def test_none_begins_that_could_not_end(shares, tmp_path):
    given, _ = shares
    assert run_all.do_all(options(tmp_path, "--until", str(run_all.GRACE + run_all.LEAST - 1)), []) == 1
    assert not given


def python_that(monkeypatch, folder, program):
    """What parts are run with is this program of the shell, in a folder."""
    (folder / "python").write_text(f"#!/bin/sh\ncd {folder}\n{program}\n")
    (folder / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("trap '' TERM; echo $$ > pid; sleep 60", "did not stop within 0.3 s and was killed"),
        ("exit 139", "ended with code 139, see what it printed"),
    ],
)
def test_a_part_that_hangs_or_crashes_is_ended_and_noted(monkeypatch, tmp_path, program, error):
    python_that(monkeypatch, tmp_path, program)
    monkeypatch.setattr(run_all, "GRACE", 0.3)
    file = tmp_path / "tests.json"
    file.write_text(json.dumps(FACTS | {"whole": False, "entries": {"kept": {"whole": True}}}))
    start = time.monotonic()
    run_all._do_part("tests", [], 0.3, file)
    assert time.monotonic() - start < 20
    content = json.loads(file.read_text())
    assert content["error"] == error
    assert content["entries"] == {"kept": {"whole": True}}
    assert not content["whole"]
    if (tmp_path / "pid").exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


ASKED = "trap 'echo asked > asked; exit 3' TERM; echo $$ > pid; sleep 60 & wait"


def test_a_part_whose_time_is_up_is_asked_to_end(monkeypatch, tmp_path):
    python_that(monkeypatch, tmp_path, ASKED)
    file = tmp_path / "tests.json"
    assert run_all._do_part("tests", [], 2.0, file) == LATE
    assert (tmp_path / "asked").exists()
    assert not file.exists()


def test_what_a_part_takes_to_start_is_of_its_time(monkeypatch, tmp_path):
    python_that(monkeypatch, tmp_path, 'printf "%s\\n" "$@" > arguments; exit 3')
    arguments = ["--out", str(tmp_path), "--device", "cpu", "--toy", "--seconds", "500"]
    start = time.time()
    run_all._do_part("tests", arguments, 1.5, tmp_path / "tests.json")
    time.sleep(1.6)
    found = Options.parsed((tmp_path / "arguments").read_text().split("tests\n", 1)[1].splitlines(), None)
    assert start + 1.4 < found.until < start + 1.7

    def run(part):
        part.do("one", lambda entry: time.sleep(20))

    monkeypatch.setitem(sys.modules, "benchmarks.gpu.parts.stub", SimpleNamespace(run=run))
    assert do_part(found, "stub") == LATE
    assert time.time() - start < 15


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_part_ends_with_the_call(monkeypatch, tmp_path, asked):
    real = sys.executable
    python_that(monkeypatch, tmp_path, ASKED)
    program = f"""
import runpy, sys
sys.executable = {sys.executable!r}
sys.argv = ["run_all.py", "--toy", "--device", "cpu", "--out", {str(tmp_path / "out")!r}]
runpy.run_path({str(ROOT / "benchmarks/gpu/run_all.py")!r}, run_name="__main__")
"""
    call = subprocess.Popen([real, "-c", program])
    for _ in range(600):
        if (tmp_path / "pid").exists() and (pid := (tmp_path / "pid").read_text().strip()):
            break
        time.sleep(0.05)
    call.send_signal(asked)
    assert call.wait(20) == 128 + asked
    assert (tmp_path / "asked").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


@pytest.mark.slow
def test_all_parts_are_done_at_toy_size(tmp_path):
    command = [sys.executable, ROOT / "benchmarks/gpu/run_all.py", "--toy", "--device", "cpu", "--seconds", "500"]
    ran = subprocess.run([*command, "--out", tmp_path], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    contents = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in PARTS}
    assert all(content["whole"] for content in contents.values())
    tests = contents["tests"]["entries"]
    assert all(entry["passed"] and not entry["failed"] for entry in tests.values())
    trained = contents["cifar10"]["entries"]
    for name in ("natural", "top_t", "pgd_at"):
        assert trained[f"{name}/training"]["images_per_second"] > 0
        assert trained[f"{name}/worst"]["worst"] <= trained[f"{name}/pgd_linf"]["robust_acc"]
        assert (tmp_path / f"{name}.safetensors").exists()
        assert f"auto_attack on {name}" in contents["throughput"]["entries"]
    assert all(entry["forward"]["difference"] == 0 for entry in contents["solvers"]["entries"].values())
    again = subprocess.run([*command, "--out", tmp_path], capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    again_done = [line for line in again.stdout.splitlines() if line.startswith(tuple(f"{name}: " for name in PARTS))]
    assert all("/worst" in line or ": whole: " in line for line in again_done)
