"""Commands that are killed at random moments go on, as documented, to the weights and rows of those that are not.

SPARSEFRONT_CHAOS sets the moments of each command and signal, 30 unless given.
"""

import csv
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from sparsefront.cli import report, study, sweep
from sparsefront.cli.command import main
from sparsefront.common.checkpoints.run_folder import find_checkpoint
from sparsefront.studies import separate_run
from tests.helpers.forked import Forked, popen
from tests.helpers.small_command import BASE, CONFIGS, PGD2

MOMENTS = int(os.environ.get("SPARSEFRONT_CHAOS", "30"))
LIMIT = 120  # seconds that one run may take, a stopped one to end or a resumed one to be whole
TOP_T = [
    "--model.frontend", "TopT", "--model.frontend.n_atoms", "20", "--model.frontend.top_t", "3",
    "--model.frontend.decoder", "small", "--model.frontend.learning.n_iterations", "3",
    "--model.frontend.quantizer.eps", "0.05",
]  # fmt: skip
FIT = ["fit", *BASE, *TOP_T, *PGD2, "--data.augment", "crop", "--run_dir"]
TEST = ["test", *BASE, *PGD2, "--evaluation.pictures.save_images", "true", "--evaluation.diagnostics", "4", "--run_dir"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """What every command needs is there, and what it imports is imported: processes are forked from this one."""
    folder = tmp_path_factory.mktemp("chaos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["sparsefront"])
        patch.setattr(separate_run, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": popen}))
        more = ["--trainer.limit_train_batches", "40", "--trainer.limit_val_batches", "0"]
        words = ["fit", *BASE, *more, "--run_dir", "trained"]
        assert Forked(lambda: _called(main, "sparsefront", words), "trained.log").wait(LIMIT) == 0
        Path("study.yaml").write_text(yaml.safe_dump(_study()))
        yield folder


def _study():
    files = [str(CONFIGS / f"{name}.yaml") for name in ("base", "data/mnist5k", "classifiers/convnet")]
    trainer = {
        "max_epochs": 2, "limit_train_batches": 3, "limit_val_batches": 1, "accelerator": "cpu",
        "enable_progress_bar": False, "enable_model_summary": False,
    }  # fmt: skip
    attack = {"name": "pgd", "attack": {"class_path": "PGD", "init_args": {"eps": 0.1, "steps": 2}}}
    data = {"batch_size": 8, "val_size": 21, "test_size": 24}
    settings = {"trainer": trainer, "data": data, "attacks": [attack]}
    return {"run_dir": "study", "configs": files, "settings": settings, "systems": {"natural": {}}}


def _called(work, program, words):
    sys.argv = [program, *words]
    result = work(words)
    return result if isinstance(result, int) else 0


@dataclass
class Command:
    """A command and what it leaves.

    Attributes:
        program: its name.
        work: what runs it.
        words: its arguments, but for the folder, which comes last.
        kept: what a finished one leaves in a folder, to be compared.
        again: the arguments that go on after a SIGKILL, from the folder.
    """

    program: str
    work: object
    words: list
    kept: object
    again: object = field(default=lambda words, folder: words)

    def begin(self, words, folder):
        return Forked(lambda: _called(self.work, self.program, words), f"{folder}.log")


def rows(folder, stage):
    """Of the newest version that has any, without those of an evaluation that was not whole."""
    found = sorted(Path(folder).rglob(f"{stage}_samples.csv"), key=lambda path: path.stat().st_mtime)
    with found[-1].open() as file:
        return list(csv.DictReader(file))


def weights(folder):
    content = torch.load(find_checkpoint(folder, "folder").path, weights_only=True)
    return {name: tensor.numpy().tobytes() for name, tensor in content["state_dict"].items()}


def after_kill(words, folder):
    begun = any(Path(folder).rglob("test_partial/about.json"))
    return [*words, "--evaluation.resume_from", folder] if begun else words


def page(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


COMMANDS = {
    "fit": Command(
        "sparsefront", main, FIT, lambda folder: (weights(folder), rows(folder, "val")),
        lambda words, folder: [*words, "--ckpt_path", "last"],
    ),
    "test": Command("sparsefront", main, TEST, lambda folder: rows(folder, "test"), after_kill),
    "study": Command(
        "sparsefront-study", lambda _: study.command(), ["study.yaml", "--run_dir"],
        lambda folder: (weights(f"{folder}/natural"), rows(folder, "test")),
    ),
    "sweep": Command(
        "sparsefront-sweep", lambda _: sweep.command(),
        ["--setting", "model.frontend.bits", "--values", "2", "4", *BASE, *PGD2, "--model.frontend", "BitDepth",
         "--model.classifier_checkpoint", "trained", "--run_dir"],
        lambda folder: [rows(f"{folder}/bits={bits}", "test") for bits in (2, 4)],
    ),
    "report": Command("sparsefront-report", report.main, [], page),
}  # fmt: skip


def words_of(name, folder):
    if name == "report":
        return ["whole-test", "--out", f"{folder}/page.html", "--table", f"{folder}/table.md"]
    more = ["--ckpt_path", "trained"] if name == "test" else []
    return [*COMMANDS[name].words, folder, *more]


@pytest.fixture(scope="module")
def undisturbed(home):
    """What each command leaves where nobody stops it, and how many seconds it takes."""
    found = {}

    def of(name):
        if name == "report":
            of("test")
        if name not in found:
            command, folder = COMMANDS[name], f"whole-{name}"
            took = []
            for _ in range(2):  # the first may compile
                Path(folder).mkdir(exist_ok=True)
                begun = time.monotonic()
                assert command.begin(words_of(name, folder), folder).wait(LIMIT) == 0, Path(f"{folder}.log").read_text()
                took.append(time.monotonic() - begun)
                if name in ("study", "sweep"):
                    break
            found[name] = command.kept(folder), min(took)
        return found[name]

    return of


def _group_is_gone(pid):
    begun = time.monotonic()
    while time.monotonic() - begun < LIMIT:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("a process is left")


def _kill(command, name, number, folder, signum, moment):
    """Run it, send the signal at the moment, and return its exit code."""
    run = command.begin(words_of(name, folder), folder)
    begun = time.monotonic()
    while run.poll() is None and time.monotonic() - begun < moment:
        time.sleep(0.002)
    # A terminal and a system that shuts down tell all processes, a user one; a killed parent's child is tested apart.
    alone = signum == signal.SIGTERM and number % 2
    if run.poll() is None:
        (run.send_signal if alone else lambda one: os.killpg(run.pid, one))(signum)
    try:
        code = run.wait(LIMIT)
        _group_is_gone(run.pid)
    except (subprocess.TimeoutExpired, AssertionError):
        os.killpg(run.pid, signal.SIGKILL)
        raise
    return code


def _said(folder):
    return Path(f"{folder}.log").read_text(errors="replace")


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda signum: signum.name)
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_killed_at_random_moments_goes_on_to_the_same(name, signum, home, undisturbed, record_property):
    command = COMMANDS[name]
    kept, seconds = undisturbed(name)
    draw = random.Random(f"{name} {signum}")  # a seed of its own, the same in every run
    codes = []
    for number in range(MOMENTS):
        folder = f"{name}-{signum.name}-{number}"
        Path(folder).mkdir()
        moment = draw.uniform(0.05, seconds)
        code = _kill(command, name, number, folder, signum, moment)
        said, words = _said(folder), words_of(name, folder)
        where = f"{name}, {signum.name} after {moment:.2f} of {seconds:.2f} s, moment {number}: {said[-1500:]}"
        codes.append(code)
        assert code in (0, -signal.SIGKILL if signum == signal.SIGKILL else 128 + signum), where
        assert "Traceback" not in said, where
        if code == 0:
            assert command.kept(folder) == kept, where
            continue
        if signum == signal.SIGKILL:
            words = command.again(words, folder)
        else:
            program, *words = shlex.split(said.split("; go on with: ")[-1].splitlines()[0])
            assert program == command.program, where
        again = command.begin(words, folder)
        assert again.wait(LIMIT) == 0, f"{where}\nresumed: {_said(folder)[-1500:]}"
        assert command.kept(folder) == kept, where
    record_property("codes", codes)
    assert MOMENTS < 10 or any(codes)
