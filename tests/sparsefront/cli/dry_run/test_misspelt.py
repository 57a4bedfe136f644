"""Misspelt names are refused before anything is imported, in the very sentence that the parser would say."""

import pytest
import yaml

from sparsefront.cli import command
from sparsefront.cli.dry_run.misspelt import check_spelling
from sparsefront.cli.first_word import VERBS
from sparsefront.cli.sparsefront_cli import SparsefrontCLI
from tests.helpers.one_sentence import sentence
from tests.helpers.places import CONFIGS

EXPERIMENT = ["fit", "--config", str(CONFIGS / "experiments/mnist5k_top_t.yaml")]
MISSPELT = [
    ["--model.frontend.n_iterations", "2"],
    ["--model.frontend.codes.lmba", "2"],
    ["--model.frontend.learnin.n_iterations", "2"],
    ["--model.frontend.learning.n_iteration", "2"],
    ["--model.frontend", "{class_path: TopT, init_args: {learning: {n_iterationsx: 3}}}"],
    ["--model.frontend", "{class_path: TopT, init_args: {codes: {lmba: 3}}}"],
    ["--model.frontend.top_tt", "3"],
    ["--model.frontend.init_args.top_tt", "3"],
    ["--model.frontend", "TopD"],
    ["--model.frontend", "PGD"],
    ["--model.frontend", "{class_path: TopT, init_args: {topt: 3}}"],
    ["--model.classifier.depthh", "3"],
    ["--data", "MNIST5"],
    ["--data.sise", "3"],
    ["--attacks+", "{name: a, attack: PDG}"],
    ["--attacks+", "{name: a, attack: {class_path: PDG, init_args: {epss: 1}}}"],
    ["--attacks+", "{name: a, attack: {class_path: PGD, init_args: {epss: 1}}}"],
    ["--attacks+", "{name: a, attack: WhiteBox}"],
    ["--attacks+", "{name: a, attack: PGD, view: GreyBox}"],
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("words", MISSPELT, ids=" ".join)
def test_the_sentence_is_the_parsers(words, monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"is no setting|must name") as refused:
        check_spelling([*EXPERIMENT, *words])
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    monkeypatch.setattr(command, "refuse_at_once", lambda words: None)
    with pytest.raises(SystemExit):
        command.main([*EXPERIMENT, *words])
    assert sentence(capsys.readouterr().err) == str(refused.value)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("n_iterations", "learning.n_iterations"),  # the same name in a group before one like it beside it
        ("lmba", "learning.lmbda"),
        ("codes.lmba", "learning.lmbda"),
        ("learnin.n_iterations", "learning.n_iterations"),
        ("learning.n_iteration", "learning.n_iterations or learning.patches_per_iteration"),
        ("learning.top_t", "top_t"),
        (
            "learning.bogus",
            "learning.lmbda or learning.n_iterations or learning.patches_per_iteration or learning.seed",
        ),
        ("top_tt", "top_t"),
    ],
)
def test_a_setting_is_looked_for_in_groups_and_out_of_them(word, meant):
    with pytest.raises(ValueError, match="is no setting") as refused:
        check_spelling([*EXPERIMENT, f"--model.frontend.{word}", "2"])
    assert str(refused.value) == f"`{word}` is no setting of TopT; did you mean {meant}?"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--trainer.max_epoch", "--trainer.max_epochs"),
        ("--evaluation.max_sample", "--evaluation.max_samples"),
        ("--model.fronten", "--model.frontend or --model.frontend_checkpoint"),
        ("--seed", "--seed_everything"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_an_abbreviation_is_no_setting(word, meant, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["sparsefront"])
    with pytest.raises(SystemExit):
        command.main([*EXPERIMENT, word, "1"])
    said = sentence(capsys.readouterr().err)
    assert said == f"`{word}` is no setting, found on the command line; did you mean {meant}?"


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.relative_to(CONFIGS).as_posix())
def test_no_file_of_the_project_is_refused(path):
    if "systems" not in yaml.safe_load(path.read_text()):
        check_spelling(["fit", "--config", str(path)])


@pytest.mark.parametrize(
    "words",
    [
        ["--model.frontend", "TopD", "--model.frontend", "TopT"],
        ["--model.frontend.top_tt", "3", "--model.frontend", "Identity"],
        ["--model.frontend", "TopD", "--model.classifier", "mine.Net"],  # which may bring a class of that name
        ["--model.frontend", "mine.TopD", "--model.frontend.anything", "3"],
        ["--model.classifier", "Linear"],  # torch's classify too
        ["--attacks", "[{name: a, attack: PDG}]", "--attacks", "[]"],
        ["--model.frontend", "null"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_known_yet_passes(words):
    check_spelling(["fit", *words])


def test_the_parser_has_the_last_word():
    """Nothing of the class is replaced: what passes here is looked at again."""
    assert SparsefrontCLI.subcommands().keys() == VERBS.keys()
