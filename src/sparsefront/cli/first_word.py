"""What the first word of a command line alone answers, before anything is imported that takes seconds."""

import argparse
from collections.abc import Sequence

from sparsefront.cli.configs import configs
from sparsefront.cli.exit_with import exit_with
from sparsefront.cli.messages.messages import in_one_sentence

VERBS = {
    "fit": "Let the front end learn, train the classifier, attack the validation images.",
    "validate": "Attack the validation images, with the weights of a checkpoint.",
    "test": "Attack the test images, with the weights of a checkpoint.",
    "predict": "Write the predictions for the test images to a file.",
}
"""The subcommands, and what each does."""


def answer_first_word(words: Sequence[str]) -> None:
    """Do what needs no settings and exit, or exit with one sentence where no subcommand is asked for or an unknown one.

    Args:
        words: of the command line, without the program's name.
    """
    if not words:
        exit_with(in_one_sentence(f'expected "subcommand" to be one of {{{",".join(VERBS)}}}, but it was not provided'))
    if words[0] in ("-h", "--help"):
        _parser().print_help()
        raise SystemExit(0)
    if words[0] == "configs":
        configs(words[1:])
        raise SystemExit(0)
    if not words[0].startswith("-") and words[0] not in VERBS:
        choices = ", ".join(map(repr, VERBS))
        exit_with(in_one_sentence(f"invalid choice: {words[0]!r} (choose from {choices})"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sparsefront",
        description="Train classifiers behind sparse-coding front ends, and attack them.",
        epilog="`sparsefront SUBCOMMAND --help` lists the settings. Every setting may be in a YAML file, given as "
        "`--config FILE`, several of them from left to right.",
    )
    verbs = parser.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for verb, does in VERBS.items():
        verbs.add_parser(verb, help=does)
    verbs.add_parser("configs", help="List the configuration files that come with the package, or copy them.")
    return parser
