"""A command line tried without doing what it asks for."""

import logging
import warnings
from collections.abc import Sequence

from sparsefront.cli.dry_run.at_once import refuse_at_once


def check(args: Sequence[str]) -> None:
    """Exit with one sentence, as `sparsefront` would, on settings that cannot be right; do nothing else.

    Args:
        args: the arguments of `sparsefront`, its verb first.
    """
    refuse_at_once(args)
    from sparsefront.cli.dry_run.dry_run_cli import DryRunCLI
    from sparsefront.cli.exit_on_error import exit_on_error

    before = logging.root.manager.disable
    logging.disable(logging.INFO)  # seed and devices are said by the command itself
    try:
        with warnings.catch_warnings(), exit_on_error():
            warnings.filterwarnings("ignore", "LightningCLI's args parameter")  # the caller has a command line too
            DryRunCLI(args)
    finally:
        logging.disable(before)
