"""The command `sparsefront`: what needs no model is answered before Lightning is imported, which takes seconds."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sparsefront.cli.dry_run.at_once import refuse_at_once
from sparsefront.cli.first_word import answer_first_word
from sparsefront.common import stopping
from sparsefront.common.working_folder import look_here_last

if TYPE_CHECKING:
    from sparsefront.cli.sparsefront_cli import SparsefrontCLI


def main(args: Sequence[str] | None = None, run: bool = True) -> "SparsefrontCLI":
    """Run the command line; exits with one sentence on a setting that cannot be right.

    Args:
        args: stand for the command line when called from Python.
        run: False takes no subcommand and only builds `model`, `datamodule`, `trainer` and `evaluation`.
    """
    words = sys.argv[1:] if args is None else list(args)
    if run:
        answer_first_word(words)
        refuse_at_once(words)
    from sparsefront.cli.exit_on_error import exit_on_error
    from sparsefront.cli.sparsefront_cli import SparsefrontCLI

    with stopping.command("sparsefront", words), exit_on_error():
        return SparsefrontCLI(None if args is None else words, run)


def command() -> None:
    """The installed command `sparsefront`."""
    look_here_last()  # a class in a file beside the user is found
    main()


if __name__ == "__main__":
    command()
