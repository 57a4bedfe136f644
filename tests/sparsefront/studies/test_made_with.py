"""What "the same as before" means: settings, the contents of the files and the code that they name."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from sparsefront.studies.made_with import by_name, difference, fit_of, test_of
from sparsefront.studies.named_files import arguments_by_name, portable
from sparsefront.studies.system import System, inline

pytestmark = pytest.mark.usefixtures("in_an_empty_folder")

test_of.__test__ = False  # it is no test


def system(*more, folder="runs/s", **settings):
    return System("a", Path(folder) / "a", (inline(settings),) if settings else (), more)


def said(before, now):
    return difference(before, now)


def test_a_configuration_file_is_known_by_what_it_holds():
    Path("c.yaml").write_text("trainer: {max_epochs: 1}")
    before = test_of(system("--config", "c.yaml"))
    Path("d.yaml").write_text("trainer:\n  max_epochs: 1  # the same\n")
    assert test_of(system("--config=d.yaml")) == before
    Path("c.yaml").write_text("trainer: {max_epochs: 2}")
    assert said(before, test_of(system("--config", "c.yaml"))) == "trainer.max_epochs"


@pytest.mark.parametrize("words", [["--ckpt_path", "runs/w"], ["--model", "{classifier_checkpoint: runs/w}"]])
def test_a_checkpoint_is_known_by_what_it_holds(words):
    path = Path("runs/w/version_0/checkpoints/last.ckpt")
    path.parent.mkdir(parents=True)
    torch.save({"state_dict": {}, "epoch": 0, "global_step": 1}, path)
    before = test_of(system(*words))
    assert test_of(system(*words)) == before
    torch.save({"state_dict": {}, "epoch": 0, "global_step": 2}, path)
    assert said(before, test_of(system(*words))) == "the content of runs/w"


def test_code_counts_but_for_comments_docstrings_and_what_only_starts_and_shows_runs(monkeypatch):
    monkeypatch.syspath_prepend(".")
    kind = (
        '"""{0}"""\nfrom own_part import n\n\nclass Net:\n    """{0}"""\n    def go(self):\n        return {1}  # {0}\n'
    )
    Path("own_net.py").write_text(kind.format("a", 1))
    Path("own_part.py").write_text("n = 1\n")
    words = ["--model.classifier", "own_net.Net"]
    before = test_of(system(*words))
    assert set(before["code"]) == {"own_net", "own_part"}
    Path("own_net.py").write_text(kind.format("another text", 1))
    assert test_of(system(*words)) == before
    Path("own_part.py").write_text("n = 2\n")
    assert said(before, test_of(system(*words))) == "the code of own_part"
    for name in ("own_net", "own_part"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def test_the_projects_own_classes_are_known_by_their_names():
    attack = {"name": "pgd", "attack": {"class_path": "PGD", "init_args": {"eps": 0.1}}}
    code = test_of(system(model={"frontend": "BitDepth"}, attacks=[attack]))["code"]
    assert {"sparsefront.attacks.pgd", "sparsefront.frontends.bit_depth"} <= set(code)
    assert not [name for name in code if name.startswith(("sparsefront.common", "sparsefront.cli"))]
    assert "sparsefront.attacks.pgd" not in fit_of(system(model={"frontend": "BitDepth"}, attacks=[attack]))["code"]


def test_nothing_says_where_the_studys_folder_is():
    named = {"classifier_checkpoint": "{0}/natural", "list": ["x {0}/b y", "runs/other"]}
    texts = [
        test_of(system(folder=home, model={key: str(value).format(home) for key, value in named.items()}))
        for home in ("runs/s", "elsewhere")
    ]
    assert texts[0] == texts[1]
    assert "runs/s" not in str(texts[0])
    assert portable("runs/sad/natural", Path("runs/s")) == "runs/sad/natural"
    assert portable("my/runs/s", Path("runs/s")) == "my/runs/s"


def test_settings_have_the_names_and_the_values_of_the_command_line_however_they_are_spelled():
    frontend = {"class_path": "BitDepth", "init_args": {"bits": 3}}
    given = [{"model": {"frontend": frontend}, "attacks": [1]}, {"attacks+": [2], "trainer": {"max_epochs": 4}}]
    found = by_name([*given, "--model.frontend.init_args.bits=5", "--x.eps", "8/255", "--flag"])
    assert found["model.frontend.bits"] == "5"
    assert found["attacks"] == [1, 2]
    assert found["trainer.max_epochs"] == 4
    assert found["x.eps"] == pytest.approx(8 / 255)
    assert found["flag"] is True
    assert by_name([{"model": {"frontend": {"init_args": {"bits": 3}}}}]) == {"model.frontend.bits": 3}


def test_words_are_read_as_pairs():
    words = ["--a", "1", "--b=2", "--c", {"x": 1}, "--e+", "{k: [1]}", "--z"]
    pairs = [("a", "1"), ("b", "2"), ("c", True), ("", {"x": 1}), ("e+", {"k": [1]}), ("z", True)]
    assert list(arguments_by_name(words)) == pairs
