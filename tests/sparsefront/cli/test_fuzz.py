"""Configurations drawn at random, sensible and not, either work or are refused in one sentence."""

import contextlib
import inspect
import io
import math
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml

from sparsefront import attacks, classifiers, frontends
from sparsefront.cli.dry_run.check import check
from tests.helpers.one_sentence import sentence

SEED, LIMIT = 17, 60  # seconds a run
NONSENSE = [
    None, -1, 0, math.nan, math.inf, -math.inf, "", " ", "\t", "x", "1/0", 10**30, -(10**30), 10**15, 2.5, True, [],
    [1], [None], {}, {"a": 1}, {"class_path": "os.system"}, "nowhere.yaml", ".", "os.system", "nowhere.Net", "PGD",
    "top_t",
]  # fmt: skip
FRONT_ENDS = [name for name in frontends.__all__ if name not in ("FrontEnd", "Compose", "Parallel")]
IMAGES = ["ConvNet", "CIFARResNet", "ResNet32"]
CODES = ["sparsefront.classifiers.MLP", "Logistic", "LinearSVM", "NeuronThreshold"]
CLASSIFIERS = 4 * IMAGES + CODES  # most front ends return images
ATTACKS = [
    name for name, kind in vars(attacks).items()
    if inspect.isclass(kind) and issubclass(kind, attacks.Attack) and not inspect.isabstract(kind)
    and name not in ("Growing", "NoiseControl", "Rescaled", "SavedImages")
]  # fmt: skip
TRAINER = ["max_epochs", "devices", "accelerator", "precision", "limit_train_batches", "strategy", "min_steps"]
TOP = ["model", "data", "trainer", "attacks", "evaluation", "run_dir", "seed_everything", "frontend_cache", "analysis"]
OTHER = {
    "data": ["batch_size", "image_size", "val_size", "test_size", "seed", "reading", "augment"],
    "evaluation": ["every_n_epochs", "max_samples", "time_budget", "search", "pictures", "diagnostics", "resume_from"],
    "trainer": TRAINER,
    "frontend_cache": ["folder", "dtype"],
    "analysis": ["variants", "positive", "neuron", "n_training"],
}
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_an_empty_folder")]


def settings_of(kind):
    return [
        name for name in inspect.signature(kind).parameters if name not in ("image_shape", "in_chans", "num_classes")
    ]


def misspelt(word, draw):
    return draw.choice([word.lower(), word[:-1], word + "s", word[::-1], f"attacks.{word}", f"nowhere.{word}"])


def drawn(draw):
    """A whole configuration, and what is wrong with it, if anything."""
    parts = {
        "frontend": {"class_path": draw.choice(FRONT_ENDS), "init_args": {}},
        "classifier": {"class_path": draw.choice(CLASSIFIERS), "init_args": {}},
        "attack": {"class_path": draw.choice(ATTACKS), "init_args": {}},
    }
    config = {
        "data": {"class_path": "MNIST5k", "init_args": {}},
        "model": {"frontend": parts["frontend"], "classifier": parts["classifier"]},
        "attacks": [{"name": "drawn", "attack": parts["attack"]}],
        "trainer": {"accelerator": "cpu", "enable_progress_bar": False},
    }
    rooms = {"frontend": frontends, "classifier": classifiers, "attack": attacks}
    faults = []
    for _ in range(draw.choice([0, 1, 1, 1, 2])):
        kind = draw.randrange(6)
        if kind <= 1:  # a setting of a part
            part = draw.choice(list(parts))
            names = settings_of(getattr(rooms[part], parts[part]["class_path"], object)) or ["nonsense"]
            name, value = draw.choice([*names, "nonsense"]), draw.choice(NONSENSE)
            parts[part]["init_args"][name] = value
            faults.append((part, parts[part]["class_path"], name, value))
        elif kind == 2:  # a class that is none
            part = draw.choice(list(parts))
            word = draw.choice(
                [misspelt(parts[part]["class_path"], draw), *FRONT_ENDS[:2], *CLASSIFIERS[:2], *ATTACKS[:2]]
            )
            parts[part]["class_path"] = word
            parts[part]["init_args"] = {}
            faults.append((part, word))
        elif kind == 3:  # another setting
            room = draw.choice(list(OTHER))
            name, value = draw.choice(OTHER[room]), draw.choice(NONSENSE)
            inside = config.setdefault(room, {})
            inside = (
                inside["init_args"] if room == "data" and isinstance(inside, dict) and "init_args" in inside else inside
            )
            if isinstance(inside, dict):
                inside[name] = value
            faults.append((room, name, value))
        elif kind == 4:  # a whole part
            name, value = draw.choice(TOP), draw.choice(NONSENSE)
            config[name] = value
            faults.append((name, value))
        else:  # a name that is none
            name = draw.choice(["modell", "Attacks", "trainer.max_epoch", "evaluation+", "systems", "attacks+"])
            config[name] = draw.choice(NONSENSE)
            faults.append((name, config[name]))
    return config, faults


def none_of_a_sentence(code, text):
    """What is wrong with how a run was refused."""
    try:
        sentence(text)
    except (AssertionError, ValueError) as error:
        return f"no sentence: {text[:400] or error}"
    return None if code == 2 else f"exit code {code}"


class TooLong(BaseException):
    """A run that took longer than it may."""


def stopped(*_):
    raise TooLong


def fuzzed(count, seed):
    """(sentence or None, seconds) of each of so many drawn configurations, and what was wrong with any."""
    draw, runs, wrong = random.Random(seed), [], []
    before = signal.signal(signal.SIGALRM, stopped)
    for number in range(count):
        config, faults = drawn(draw)
        Path("drawn.yaml").write_text(yaml.safe_dump(config))
        told, start = io.StringIO(), time.monotonic()
        signal.alarm(LIMIT)
        try:
            with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
                check(["fit", "--config", "drawn.yaml"])
            runs.append((None, time.monotonic() - start))
        except SystemExit as stop:
            fault = none_of_a_sentence(stop.code, told.getvalue())
            runs.append((told.getvalue(), time.monotonic() - start))
            wrong += [(number, faults, fault)] if fault else []
        except BaseException as error:
            wrong.append((number, faults, f"{type(error).__name__}: {str(error)[:300]}"))
        finally:
            signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    return runs, wrong


@pytest.mark.parametrize(
    ("count", "seed"), [(25, SEED), pytest.param(300, SEED + 1, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_drawn_configurations_work_or_are_refused_in_one_sentence(count, seed, capsys):
    runs, wrong = fuzzed(count, seed)
    outcomes = Counter("accepted" if said is None else "refused" for said, _ in runs)
    with capsys.disabled():
        print(f"\n{count} drawn: {dict(outcomes)}, {len(wrong)} wrong, slowest {max(s for _, s in runs):.1f} s")
    assert not wrong, "\n".join(map(str, wrong))
    assert outcomes["accepted"] > count / 10
    assert outcomes["refused"] > count / 4
