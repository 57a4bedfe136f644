"""The standard protocol as a word, on the command line and in files."""

from typing import get_args

import pytest
import yaml

from sparsefront.attacks import PGD, NamedAttack, Standard
from sparsefront.attacks.standard import Effort
from sparsefront.cli.command import main
from sparsefront.cli.protocol_words import EFFORTS, with_protocol

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
SMALL = ["--data", "MNIST5k", "--model.classifier", "ConvNet", "--model.frontend", "Identity"]
PGD_ENTRY = "{name: pgd, attack: PGD}"


@pytest.fixture
def file(tmp_path):
    def write(name, **settings):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(settings, sort_keys=False))
        return str(path)

    return write


def named(words):
    return main([*SMALL, *words], run=False).evaluation.attacks


def protocol(effort="standard", **settings):
    return NamedAttack(effort, Standard(effort=effort, **settings))


def test_the_words_are_the_efforts():
    assert get_args(Effort) == EFFORTS


@pytest.mark.usefixtures("in_an_empty_folder")
def test_a_word_is_the_protocol_of_that_effort_and_flags_set_its_ball():
    assert named(["--attacks", "standard"]) == [protocol()]
    ball = ["--attacks.eps=8/255", "--attacks", "quick", "--attacks.norm", "L2"]
    assert named(ball) == [protocol("quick", eps="8/255", norm="L2")]
    assert named(["--attacks=thorough", "--attacks.eps", "1e-3"]) == [protocol("thorough", eps=0.001)]


@pytest.mark.usefixtures("in_an_empty_folder")
def test_a_file_names_the_protocol_by_a_word_or_with_its_ball_and_flags_go_on_top(file):
    word = file("word.yaml", attacks="quick")
    ball = file("ball.yaml", attacks={"effort": "standard", "norm": "L2", "eps": 0.5})
    assert named(["--config", word]) == [protocol("quick")]
    assert named(["--config", ball]) == [protocol(norm="L2", eps=0.5)]
    assert named(["--config", ball, "--attacks.eps", "0.25", "--seed_everything", "1"]) == [
        protocol(norm="L2", eps=0.25)
    ]
    assert named(["--attacks.eps", "0.25", f"--config={word}"]) == [protocol("quick", eps=0.25)]


@pytest.mark.usefixtures("in_an_empty_folder")
def test_other_attacks_go_beside_it_and_a_later_list_takes_its_place(file):
    pgd = NamedAttack("pgd", PGD())
    more = file("more.yaml", **{"attacks+": [{"name": "pgd", "attack": "PGD"}]})
    word = file("word.yaml", attacks="quick")
    assert named(["--attacks", "quick", "--attacks+", PGD_ENTRY]) == [protocol("quick"), pgd]
    assert named(["--config", word, "--config", more]) == [protocol("quick"), pgd]
    assert named(["--config", word, "--config", more, "--attacks.eps", "0.1"]) == [protocol("quick", eps=0.1), pgd]
    assert named(["--config", word, "--attacks", f"[{PGD_ENTRY}]"]) == [pgd]


def refused(capsys, *words):
    with pytest.raises(SystemExit):
        main(["validate", *SMALL, *words])
    return capsys.readouterr().err


@pytest.mark.usefixtures("in_an_empty_folder")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--attacks.eps", "0.1"], "`--attacks.eps` must be of a protocol that `--attacks` names, found none; write"),
        (["--attacks", f"[{PGD_ENTRY}]", "--attacks.eps", "0.1"], "must be of a protocol that `--attacks` names"),
        (["--attacks", "quick", "--attacks.epss", "0.1"], "`epss` is no setting of Standard; did you mean eps?"),
        (["--attacks", "quick", "--attacks.eps", "-1"], "Standard: `eps` must be >= 0, found -1"),
        (["--attacks", "quick", "--attacks.norm", "L3"], "`norm` of Standard must be one of 'Linf', 'L2', 'L1', found"),
        (["--attacks", "quik"], "`attacks` must be a list, found quik; write e.g. [{name: mine, attack: {class_path: "
         "PGD}}], or quick, standard or thorough for the protocol of that effort."),
    ],
)  # fmt: skip
def test_what_is_no_protocol_and_settings_without_one_are_refused_in_a_sentence(capsys, words, said):
    assert said in refused(capsys, *words).replace("\n", "")


def test_words_without_a_protocol_stay_as_they_are(file):
    attacks = file("attacks.yaml", attacks=[{"name": "pgd", "attack": "PGD"}])
    for words in (
        ["fit", "--attacks", "[]", "--ckpt_path", ""],
        ["test", "--config", attacks],
        ["fit", "--attacks", "{"],
    ):
        assert with_protocol(words) == words
    replaced = with_protocol(["fit", "--attacks", "quick", "--ckpt_path", ""])
    assert replaced[2:] == ["--ckpt_path", ""]
    assert replaced[1].startswith("--attacks=[")
