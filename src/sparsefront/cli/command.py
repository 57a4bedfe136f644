"""The command `sparsefront`: what needs no model is answered before Lightning is imported, which takes seconds."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sparsefront.cli.dry_run.config_files import check_config_files
from sparsefront.cli.dry_run.misspelt import check_spelling
from sparsefront.cli.dry_run.named_configs import reads_a_pipe, with_packaged_files
from sparsefront.cli.exit_with import exit_with
from sparsefront.cli.first_word import VERBS, answer_first_word
from sparsefront.cli.messages.messages import in_one_sentence
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
        _refuse_at_once(with_packaged_files(words))
    from sparsefront.cli.exit_on_error import exit_on_error
    from sparsefront.cli.sparsefront_cli import SparsefrontCLI

    with stopping.command("sparsefront", words), exit_on_error():
        return SparsefrontCLI(None if args is None else words, run)


def _refuse_at_once(words: Sequence[str]) -> None:
    """Exit on what the words and the files that they name tell alone; the parser looks at all of it again."""
    if words[0] not in VERBS or {"-h", "--help"} & set(words) or reads_a_pipe(words):
        return
    try:
        check_config_files(words, in_groups=False)
        check_spelling(words)
    except OSError:
        return  # the parser says what cannot be read
    except ValueError as error:
        exit_with(in_one_sentence(str(error)), error)


def command() -> None:
    """The installed command `sparsefront`."""
    look_here_last()  # a class in a file beside the user is found
    main()


if __name__ == "__main__":
    command()
