"""The end of a command whose settings cannot be right."""

import os
import sys
from typing import NoReturn


def exit_with(message: str, error: BaseException | None = None) -> NoReturn:
    """Write one sentence on stderr and exit with code 2.

    Args:
        message: the sentence.
        error: raised in its place where the environment sets SPARSEFRONT_TRACEBACK.
    """
    if os.environ.get("SPARSEFRONT_TRACEBACK") and error is not None:
        raise error
    hint = "`sparsefront SUBCOMMAND --help` lists the settings, SPARSEFRONT_TRACEBACK=1 shows where it happened"
    sys.stderr.write(f"\nsparsefront: error: {message}\n({hint})\n")
    sys.exit(2)
