"""The parser of the command line."""

import sys

import pytest

from sparsefront.cli.parser import Parser
from sparsefront.cli.sparsefront_cli import SparsefrontCLI
from sparsefront.common.pixel_size import PixelSize


def test_the_help_says_of_a_size_how_it_is_written():
    for words in range(1, 80, 5):  # wherever the line breaks
        parser = Parser()
        parser.add_argument("--eps", type=PixelSize | None, default="8/255", help="x " * words)
        told = " ".join(parser.format_help().split())
        assert "number or fraction such as 8/255" in told
        assert "Annotated" not in told


@pytest.mark.parametrize(
    ("words", "verbs"),
    [
        (["test"], {"test"}),
        (["--config", "a.yaml", "test"], {"fit", "validate", "test", "predict"}),  # the file may be of any verb
    ],
)
def test_a_command_that_begins_with_its_verb_makes_no_parser_for_another(words, verbs, monkeypatch):
    made = set()

    def seen(cli, parser, args):
        made.update(parser._subcommands_action.choices)
        raise KeyboardInterrupt

    monkeypatch.setattr(SparsefrontCLI, "parse_arguments", seen)
    monkeypatch.setattr(sys, "argv", ["sparsefront"])
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            SparsefrontCLI(words)
    assert made == verbs
